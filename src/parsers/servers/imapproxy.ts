/**
 * up-imapproxy (imapproxyd) 1.1 and 1.2: `LOGIN: 'alice' (198.51.100.7:41537) on new sd [9]` once the server behind it has taken the login,
 * `on existing sd` where the proxy has compared the password itself (imapcommon.c). Old versions tell no port. Left out: all that fails.
 */
import { type Cursor, charsExcept, DIGITS, IP_ADDRESS } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'up-imapproxy'
const PROGRAMS = new Set(['in.imapproxyd', 'imapproxyd', 'imapproxy'])
const LOGIN = "LOGIN: '"
const LOGOUT = "LOGOUT: '"
const NEW = ' on new sd ['
const EXISTING = ' on existing sd ['
const FROM_SERVER = ' from server sd ['
const USER = charsExcept('\'"()[]')
/** A client that sends the name in quotes has it told in quotes; then a backslash would stand for something else. */
const QUOTED_USER = charsExcept('\'"()[]\\')
/** The proxy refuses names of 64 bytes and more. */
const LONGEST_USER = 63
const PORT = /^(.+):(\d{1,5})$/

/** The parser for up-imapproxy. */
export const imapproxy: Parser = {
  id: 'imapproxy',
  title: TITLE,
  literals: [NEW, EXISTING],
  logoutLiterals: [FROM_SERVER],
  forgeryMarks: [],
  sample: ["Nov 22 14:30:38 mx1 in.imapproxyd[302]: LOGIN: 'alice' (198.51.100.7:41537) on new sd [9]"],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  if (cursor.skip(LOGIN)) return parseLogin(cursor)
  if (cursor.skip(LOGOUT)) return parseLogout(cursor)
  return cursor.fail('suspect', 'not a success line')
}

function parseLogin(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip("' (")) return cursor.fail('suspect', 'the user name does not end here')
  const start = cursor.at
  const text = cursor.take(IP_ADDRESS, 51)
  const address = text === undefined ? undefined : parseLoggedAddress(withoutPort(text))
  if (address === undefined || !cursor.skip(')')) return cursor.fail('suspect', 'not a client address')
  cursor.note('client', start)
  if (cursor.skipOneOf([NEW, EXISTING]) === undefined) return cursor.fail('suspect', 'not a success line')
  const session = takeSession(cursor)
  if (session === undefined) return cursor.fail('suspect', 'no number of a connection at the end')
  return { kind: 'login', login: { user, address, service: 'imap', session } }
}

/** `LOGOUT: 'alice' from server sd [9]`. */
function parseLogout(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined || !cursor.skip(`'${FROM_SERVER}`)) return cursor.fail('suspect', 'no user name')
  const session = takeSession(cursor)
  if (session === undefined) return cursor.fail('suspect', 'no number of a connection at the end')
  return { kind: 'logout', user, service: 'imap', session }
}

/** `alice` or `"alice"`, which is the same user. */
function takeUser(cursor: Cursor): string | undefined {
  const isQuoted = cursor.skip('"')
  const user = cursor.take(isQuoted ? QUOTED_USER : USER, LONGEST_USER, 'user')
  return isQuoted && !cursor.skip('"') ? undefined : user
}

/** `198.51.100.7:41537` and `2001:db8::7:41537`; an IPv4 address alone where an old version tells no port. */
function withoutPort(text: string): string {
  return PORT.exec(text)?.[1] ?? text
}

/** `9]`: the connection to the server, which no other session of the process has at the same time. */
function takeSession(cursor: Cursor): string | undefined {
  const number = cursor.take(DIGITS, 10)
  return cursor.skip(']') && cursor.ended && number !== undefined ? `${cursor.line.pid ?? ''}/${number}` : undefined
}
