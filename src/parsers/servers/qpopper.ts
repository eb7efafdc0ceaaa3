/**
 * Qpopper 2.5 to 4.1: the login line (`LOG_LOGIN`, `log-login`; pop_init.c, pop_log.c) and the statistics line (`-s`; pop_updt.c), which a
 * session that had logged in writes at its end; in syslog and in trace files (`-t`). Left out: `log-login` formats of an operator's own
 * making, statistics without an address (2.2).
 */
import type { LogLine } from '../../core/log-line.ts'
import { type CommonMatch, commonForm, FIELD } from '../common-form.ts'
import { Cursor, charSet, charsExcept, DIGITS, HOST_NAME } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Qpopper'
const PROGRAMS = new Set(['popper', 'qpopper', 'qpopperd', 'popperd', 'in.popper', 'in.qpopper', 'in.qpopperd'])
const VERSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-')
const USER = charsExcept('"() ')
const SOURCE_FILE = charSet('abcdefghijklmnopqrstuvwxyz_0123456789.')
const LONGEST_USER = 128
const LONGEST_HOST = 255

/** The parser for Qpopper. */
export const qpopper: Parser = {
  id: 'qpopper',
  title: TITLE,
  literals: ['POP login by user ', 'Stats: '],
  forgeryMarks: ['POP login by user '],
  sample: [
    'Apr  9 08:15:02 mail popper[1208]: (v4.0.5) POP login by user "alice" at (dsl-7.pool.example.net) 198.51.100.7',
  ],
  common: commonForm(
    'q?popper',
    `\\(v[A-Za-z0-9._+-]{1,20}\\) POP login by user "${FIELD.user}" at \\(${FIELD.host}\\) ${FIELD.ipv4}`,
    readCommon,
  ),
  parse,
}

function readCommon(match: CommonMatch): ParsedLogin | undefined {
  const user = match[1] as string
  const address = parseLoggedAddress(match[2] as string)
  return address === undefined ? undefined : { user, address, service: 'pop3' }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const isTrace = line.envelope === 'own-file' && line.program === ''
  if (!isTrace && !PROGRAMS.has(line.program)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROGRAMS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (isTrace) cursor.skip(' ')
  return cursor.skip('Stats: ') ? parseStatistics(cursor) : parseLogin(cursor)
}

/** `(v4.0.5) POP login by user "alice" at (host.example) 198.51.100.7 [pop_log.c:244]`. */
function parseLogin(cursor: Cursor): ParseResult {
  if (!skipVersion(cursor) || !cursor.skip('POP login by user "')) {
    return cursor.fail(cursor.text.includes('POP login by user ') ? 'suspect' : 'ordinary', 'not a success line')
  }
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip('" at (')) return cursor.fail('suspect', 'the user name does not end here')
  const start = cursor.at
  if (!cursor.pass(HOST_NAME, LONGEST_HOST)) return cursor.fail('suspect', 'no host name')
  cursor.note('host', start)
  if (!cursor.skip(') ')) return cursor.fail('suspect', 'the host name does not end here')
  return parseAddress(cursor, user)
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, LONGEST_USER, 'user')
}

function skipVersion(cursor: Cursor): boolean {
  return cursor.skip('(v') && cursor.pass(VERSION, 32) && cursor.skip(') ')
}

/** `Stats: alice 0 0 3 4120 host.example 198.51.100.7`: deleted, their bytes, left, their bytes. Old versions have no host. */
function parseStatistics(cursor: Cursor): ParseResult {
  cursor.skip(' ')
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  for (let count = 0; count < 4; count++) {
    if (!cursor.skip(' ') || !cursor.pass(DIGITS, 20)) return cursor.fail('suspect', 'not four numbers')
  }
  if (cursor.ended) return cursor.fail('ordinary', 'no address: Qpopper before 2.5')
  if (!cursor.skip(' ')) return cursor.fail('suspect', 'no address')
  const start = cursor.at
  const hasHost = cursor.pass(HOST_NAME, LONGEST_HOST)
  if (hasHost && cursor.text[cursor.at] === ' ' && cursor.text[cursor.at + 1] !== '[') {
    cursor.note('host', start)
    cursor.skip(' ')
  } else cursor.at = start
  return parseAddress(cursor, user)
}

/** The address and what a debugging build appends; then the message must end. */
function parseAddress(cursor: Cursor, user: string): ParseResult {
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!skipSourcePlace(cursor) || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

/** ` [pop_log.c:244]`. */
function skipSourcePlace(cursor: Cursor): boolean {
  if (!cursor.skip(' [')) return true
  if (!cursor.pass(SOURCE_FILE, 40) || !cursor.skip(':')) return false
  return cursor.pass(DIGITS, 6) && cursor.skip(']')
}
