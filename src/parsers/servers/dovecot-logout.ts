/**
 * The last line of a session that Dovecot's imap or pop3 process writes, behind `mail_log_prefix`: `imap(alice)<314><b4J/pt1g>: Disconnected:
 * Logged out in=9 out=385` (2.3, 2.4; imap-client.c, pop3-client.c), without process and session before 2.3, `IMAP(alice): ` before 2.0.
 * Left out: prefixes of an operator's own making.
 */
import { type Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import type { ParseResult } from '../parser.ts'

const PROCESSES = new Map<string, 'pop3' | 'imap'>([
  ['imap(', 'imap'],
  ['pop3(', 'pop3'],
  ['imap-hibernate(', 'imap'],
  ['IMAP(', 'imap'],
  ['POP3(', 'pop3'],
])
const PREFIXES = [...PROCESSES.keys()]
const ENDS = [
  'Disconnected: ',
  'Disconnected ',
  'Logged out ',
  'Connection closed',
  'Server shutting down',
  'Too many ',
]
const USER = charsExcept('<>()')
const SESSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.:-')
/** Neither the end of the prefix nor a part of it can stand in such text, so no user name can bring a prefix of its own. */
const TEXT = charsExcept('<>()')
const LONGEST_USER = 255
const LONGEST_SESSION = 128
const LONGEST_TEXT = 1024

/** The strings of which each such line holds one. */
export const LOGOUT_LITERALS = ['Logged out ', 'Disconnected', 'Connection closed', 'Server shutting down', 'Too many ']

/** True where a mail process's prefix stands at the cursor. */
export function isMailProcess(cursor: Cursor): boolean {
  return PREFIXES.some((prefix) => cursor.text.startsWith(prefix, cursor.at))
}

/** Takes the line apart; whatever else a mail process writes is `ordinary`. */
export function parseMailProcess(cursor: Cursor): ParseResult {
  const service = PROCESSES.get(cursor.skipOneOf(PREFIXES) ?? '')
  if (service === undefined) return cursor.fail('ordinary', 'no mail process in front of the text')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('ordinary', 'no user name')
  if (!cursor.skip(')')) return cursor.fail('ordinary', 'the user name does not end here')
  const session = takeSession(cursor)
  if (!cursor.skip(': ')) return cursor.fail('ordinary', 'the prefix does not end here')
  cursor.skip('Info: ')
  if (cursor.skipOneOf(ENDS) === undefined) return cursor.fail('ordinary', 'not the end of a session')
  if (!passReason(cursor)) return cursor.fail('ordinary', 'not the end of a session, or a name that looks like one')
  return session === undefined ? { kind: 'logout', user, service } : { kind: 'logout', user, service, session }
}

/** `<314><b4J/pt1gF6rGM2QH>`. */
function takeSession(cursor: Cursor): string | undefined {
  const before = cursor.at
  if (!cursor.skip('<') || !cursor.pass(DIGITS, 10) || !cursor.skip('><')) {
    cursor.at = before
    return undefined
  }
  const start = cursor.at
  const session = cursor.take(SESSION, LONGEST_SESSION)
  if (session === undefined || !cursor.skip('>')) {
    cursor.at = before
    return undefined
  }
  cursor.at--
  cursor.note('session', start)
  cursor.at++
  return session
}

/** Text to the end of the line; each `(remark)` in it is followed by a blank or the end, as the parenthesis of a prefix never is. */
function passReason(cursor: Cursor): boolean {
  while (!cursor.ended) {
    cursor.pass(TEXT, LONGEST_TEXT)
    if (cursor.ended) return true
    if (!cursor.skip('(')) return false
    cursor.pass(TEXT, LONGEST_TEXT)
    if (!cursor.skip(')')) return false
    if (!cursor.ended && !cursor.skip(' ')) return false
  }
  return true
}
