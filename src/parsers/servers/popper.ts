/**
 * Two other children of Berkeley's popper, which carry its name: Heimdal's (KTH's, pop_pass.c of 0.x to 1.5: `login from ADDRESS as USER`) and
 * popper 1.831 with a once common patch (`(USER,ADDRESS) Authenticated.`). Qpopper has a parser of its own. Left out: the unpatched popper
 * and IBM's for z/OS, whose lines about logins hold no address.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charsExcept } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Heimdal popper, Berkeley popper (patched)'
const PROGRAMS = new Set(['popper', 'in.popper'])
const LOGIN_FROM = 'login from '
const AUTHENTICATED = ') Authenticated.'
const USER = charsExcept('(),;:" ')
/** poppers cut names at 64 characters or before. */
const LONGEST_USER = 63

/** The parser for the poppers that are not Qpopper. */
export const popper: Parser = {
  id: 'popper',
  title: TITLE,
  literals: [LOGIN_FROM, AUTHENTICATED],
  forgeryMarks: [AUTHENTICATED],
  sample: ['Nov 22 16:26:11 mail popper[1208]: login from 198.51.100.7 as alice'],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (!PROGRAMS.has(line.program)) return foreign(TITLE, line)
  // Qpopper's own file: none of these writes one of that layout.
  if (line.envelope === 'own-file') return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROGRAMS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (cursor.skip(LOGIN_FROM)) return parseHeimdal(cursor)
  if (cursor.skip('(')) return parsePatched(cursor)
  return cursor.fail('suspect', 'not a success line')
}

/** `198.51.100.7 as alice`. */
function parseHeimdal(cursor: Cursor): ParseResult {
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(' as ')) return cursor.fail('suspect', 'the address does not end here')
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.ended) return cursor.fail('suspect', 'text after the user name')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

/** `alice,198.51.100.7) Authenticated.`. */
function parsePatched(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip(',')) return cursor.fail('suspect', 'the user name does not end here')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(AUTHENTICATED) || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, LONGEST_USER, 'user')
}
