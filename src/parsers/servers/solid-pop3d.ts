/**
 * Solid POP3 server 0.13 to 0.17 (src/main.c, src/standalone.c). Built with `--enable-logextend`, its login line holds the address; without,
 * the line of the connection (`--enable-connect`, or a standalone server) does, joined by process. Left out: root, whom the server refuses.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import { type Cursor, charsExcept, HOST_NAME } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'Solid POP3 server'
const PROGRAMS = new Set(['solid-pop3d', 'spop3d', 'in.spop3d', 'solidpop3d'])
const USER = charsExcept('()[]<>"\' ')
/** `%.40s`: a name of that length may be cut. */
const CUT_LENGTH = 40
const LONGEST_HOST = 256
const FAILURES = [
  'authentication failed',
  'APOP authentication failed for ',
  "can't find APOP secret for ",
  'root login not allowed',
]

/** The parser for the Solid POP3 server. The line of the connection holds nothing rare, so its lines are found by their tag. */
export const solidPop3d: Parser = {
  id: 'solid-pop3d',
  title: TITLE,
  literals: ['solid-pop3d', 'spop3d', 'solidpop3d'],
  logoutLiterals: ['session ended for '],
  forgeryMarks: [],
  sample: ['Nov 22 14:14:07 mx1 solid-pop3d[327]: user alice authenticated - 198.51.100.7'],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  if (cursor.skip('connect from ')) return parseConnection(cursor)
  if (cursor.skip('user ') || cursor.skip('mapped user ')) return parseLogin(cursor)
  if (cursor.skip('session ended for user ') || cursor.skip('session ended for mapped user ')) return parseEnd(cursor)
  if (FAILURES.some((words) => cursor.skip(words))) return { kind: 'disconnect' }
  return cursor.fail('ordinary', 'not a line of a connection or login')
}

function parseConnection(cursor: Cursor): ParseResult {
  const address = takePlace(cursor)
  // tcpd writes such lines too, with a name in place of the address.
  if (address === undefined || !cursor.ended) return cursor.failConnection('ordinary', 'not a client address')
  return { kind: 'connect', address }
}

/** `alice authenticated - host.example (198.51.100.7)`, ` authenticated through APOP`. */
function parseLogin(cursor: Cursor): ParseResult {
  const suspicion = cursor.text.includes(' authenticated') ? 'suspect' : 'ordinary'
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail(suspicion, 'no user name, or one that may be cut')
  if (!cursor.skip(' authenticated')) return cursor.fail(suspicion, 'not a success line')
  if (user === 'root') return cursor.fail('ordinary', 'root is refused in the next line')
  cursor.skip(' through APOP')
  if (cursor.ended) return { kind: 'login_without_address', user, service: 'pop3' }
  const address = cursor.skip(' - ') ? takePlace(cursor) : undefined
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

/** `alice - 198.51.100.7`; without the address it says no more than the end of a process. */
function parseEnd(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined || cursor.ended) return { kind: 'disconnect' }
  const address = cursor.skip(' - ') ? takePlace(cursor) : undefined
  if (address === undefined || !cursor.ended) return cursor.fail('ordinary', 'not a client address')
  return { kind: 'logout', user, service: 'pop3', address }
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, CUT_LENGTH - 1, 'user')
}

/** `198.51.100.7` or, with `--enable-resolve`, `host.example (198.51.100.7)`. */
function takePlace(cursor: Cursor): ClientAddress | undefined {
  const start = cursor.at
  if (cursor.pass(HOST_NAME, LONGEST_HOST) && cursor.skip(' (')) {
    const address = takeAddress(cursor, 'address')
    return cursor.skip(')') ? address : undefined
  }
  cursor.at = start
  return takeAddress(cursor, 'address')
}
