/**
 * popa3d (1.0.3), standalone: the address stands in the line of the connection (standalone.c), the user in the line of the login
 * (pop_auth.c), joined by process. With a patch that was once common, one line holds both. Left out: the ends of sessions, which name nobody,
 * and popa3d under inetd without that patch, which logs no address.
 */
import { type Cursor, charsExcept } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'popa3d'
const PROGRAMS = new Set(['popa3d'])
const CONNECTED = 'Session from '
const PASSED = 'Authentication passed for '
const FAILED = 'Authentication failed for '
const USER = charsExcept('[]" ')
const LONGEST_USER = 128

/** The parser for popa3d. */
export const popa3d: Parser = {
  id: 'popa3d',
  title: TITLE,
  literals: [CONNECTED, PASSED, FAILED],
  forgeryMarks: [],
  sample: [
    'Nov 22 14:13:58 mx1 popa3d[335]: Session from 198.51.100.7',
    'Nov 22 14:13:58 mx1 popa3d[335]: Authentication passed for o.brien',
  ],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  if (cursor.skip(CONNECTED)) return parseConnection(cursor)
  if (cursor.skip(PASSED)) return parseLogin(cursor)
  if (cursor.skip(FAILED)) return { kind: 'disconnect' }
  return cursor.fail('suspect', 'not a line of a connection or login')
}

function parseConnection(cursor: Cursor): ParseResult {
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.failConnection('suspect', 'not a client address')
  return cursor.ended ? { kind: 'connect', address } : cursor.failConnection('suspect', 'text after the address')
}

function parseLogin(cursor: Cursor): ParseResult {
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (cursor.ended) return { kind: 'login_without_address', user, service: 'pop3' }
  if (!cursor.skip(' -- [')) return cursor.fail('suspect', 'text after the user name')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}
