/**
 * Teapop 0.3 (teapop/pop_auth.c, pop_dele.c): the success line, whose first bracket is the server's address and whose last is the client's;
 * and the statistics at the end of a session. Left out: reverse names with a blank or a bracket.
 */
import { type Cursor, charSet, charsExcept, IP_ADDRESS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'Teapop'
const PROGRAMS = new Set(['teapop', 'teapop_ssl', 'in.teapop'])
const SUCCESS = 'Successful login for '
const USER = charsExcept('[]<>()"\' ')
/** Whoever holds the reverse zone chooses the name; he cannot leave the field. */
const HOST = charsExcept('[]<>()"\' ')
const COUNTS = charSet('0123456789()RDL ')
const LONGEST_USER = 128
const LONGEST_HOST = 255
const LONGEST_ADDRESS = 45

/** The parser for Teapop. */
export const teapop: Parser = {
  id: 'teapop',
  title: TITLE,
  literals: [SUCCESS],
  logoutLiterals: ['teapop'],
  forgeryMarks: [],
  sample: [
    'Nov 22 14:27:07 mx1 teapop[257]: Successful login for alice [192.0.2.25] from dsl-7.pool.example.net [198.51.100.7]',
  ],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  return cursor.skip(SUCCESS) ? parseLogin(cursor) : parseEnd(cursor)
}

/** `alice@example.com [192.0.2.25] from host.example [198.51.100.7]`. */
function parseLogin(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip(' [') || !cursor.pass(IP_ADDRESS, LONGEST_ADDRESS) || !cursor.skip('] from ')) {
    return cursor.fail('suspect', 'no address of the server after the user name')
  }
  const start = cursor.at
  if (!cursor.pass(HOST, LONGEST_HOST)) return cursor.fail('suspect', 'no host name')
  cursor.note('host', start)
  if (!cursor.skip(' [')) return cursor.fail('suspect', 'the host name does not end here')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  const login = { user, address, service: 'pop3' as const }
  return { kind: 'login', login: cursor.line.program === 'teapop_ssl' ? { ...login, tls: true } : login }
}

/** `alice [198.51.100.7] R0(0) D0(0) L1(200)`. */
function parseEnd(cursor: Cursor): ParseResult {
  const user = takeUser(cursor)
  const address = user !== undefined && cursor.skip(' [') ? takeAddress(cursor, 'address') : undefined
  if (user === undefined || address === undefined || !cursor.skip('] R')) {
    return cursor.fail('ordinary', 'neither a success line nor the end of a session')
  }
  if (!cursor.pass(COUNTS, 200) || !cursor.ended) return cursor.fail('ordinary', 'not the numbers of a session')
  return { kind: 'logout', user, service: 'pop3', address }
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, LONGEST_USER, 'user')
}
