/**
 * grommunio's Gromox 2.30 and later: gromox-pop3 and gromox-imap, at log level 6 (debug). After mra/pop3/parser.cpp, mra/pop3/cmd.cpp and
 * mra/imap/cmd.cpp: `rhost=[ADDRESS]:PORT user=NAME`, then what happened. Left out: older versions, which wrote to standard output under
 * another name, and log files (`imap_log_file`): there a client's line feed starts a line.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Gromox (grommunio)'
/** By the name that the daemons give to syslog themselves: their standard output would bear the name of the program, `imap`. */
const SERVICES = new Map<string, { readonly service: 'pop3' | 'imap'; readonly success: string }>([
  ['gromox-pop3', { service: 'pop3', success: ' login ok' }],
  ['gromox-imap', { service: 'imap', success: ' LOGIN ok' }],
])
const PROCESSES = new Set(['pop3', 'imap'])
const USER = charsExcept(' "!=[]')
/** Gromox cuts addresses of users at 320 bytes. */
const LONGEST_USER = 319

/** The parser for Gromox. */
export const gromox: Parser = {
  id: 'gromox',
  title: TITLE,
  literals: [' LOGIN ok', ' login ok'],
  forgeryMarks: [],
  sample: ['Nov 22 14:20:04 mail gromox-imap[812]: rhost=[198.51.100.7]:50123 user=alice@example.com LOGIN ok'],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const known = SERVICES.get(line.program)
  if (known === undefined || line.envelope === 'own-file') return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (!cursor.skip('rhost=[')) return cursor.fail('suspect', 'no rhost= at the start')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']:') || !cursor.pass(DIGITS, 5)) return cursor.fail('suspect', 'no port')
  if (!cursor.skip(' user=')) return cursor.fail('suspect', 'no user= after the address')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name, or one that may be cut')
  if (!cursor.skip(known.success) || !cursor.ended) return cursor.fail('suspect', 'not a success line')
  return { kind: 'login', login: { user, address, service: known.service } }
}
