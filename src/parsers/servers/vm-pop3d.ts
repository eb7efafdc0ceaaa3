/**
 * vm-pop3d (virtualmail-pop3d): versions up to 1.1.6 write the address in the line of the connection and the user in that of the login
 * (vm-pop3d.c, user.c, apop.c), joined by process; later ones (1.1.7) write both in one line. Left out: the `Connection opened` of a
 * connection without an address.
 */
import { type Cursor, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'vm-pop3d'
const PROGRAMS = new Set(['vm-pop3d', 'in.vm-pop3d'])
const USER = charsExcept('\'"()[]<>, ')
const PATH = charsExcept('\'"()[]<>, ')
const LONGEST_USER = 128
const LONGEST_PATH = 255
/** No login may follow these with the address of an earlier connection of the process. */
const OVER = [
  'Session ended',
  'Session timed out',
  'Quitting on signal',
  'Connection opened',
  'Incoming connection opened',
]

/** The parser for vm-pop3d. The line of the connection holds nothing rare, so its lines are found by their tag. */
export const vmPop3d: Parser = {
  id: 'vm-pop3d',
  title: TITLE,
  literals: ['vm-pop3d'],
  logoutLiterals: ['vm-pop3d'],
  forgeryMarks: [],
  sample: [
    'Nov 22 14:27:14 mx1 vm-pop3d[378]: Connect from 198.51.100.7',
    "Nov 22 14:27:14 mx1 vm-pop3d[378]: User 'alice' logged in",
  ],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  if (cursor.skip('Connect from ')) return parseConnection(cursor)
  if (cursor.skip("User '")) return parseQuotedUser(cursor)
  if (cursor.skip('User ')) return parseApop(cursor)
  if (cursor.skip('Session ended for user: ')) return parseEnd(cursor)
  if (OVER.some((words) => cursor.skip(words))) return { kind: 'disconnect' }
  return cursor.fail('ordinary', 'not a line of a connection or login')
}

function parseConnection(cursor: Cursor): ParseResult {
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.failConnection('suspect', 'not a client address')
  return cursor.ended ? { kind: 'connect', address } : cursor.failConnection('suspect', 'text after the address')
}

/** `alice' logged in`, `alice' of 'example.com' logged in`, `alice@example.com' logged in from 198.51.100.7, nmsgs=3`. */
function parseQuotedUser(cursor: Cursor): ParseResult {
  const suspicion = cursor.text.includes("' logged in") ? 'suspect' : 'ordinary'
  const name = takeUser(cursor)
  if (name === undefined || !cursor.skip("'")) return cursor.fail(suspicion, 'the user name does not end here')
  const domain = cursor.skip(" of '") ? cursor.take(USER, LONGEST_USER) : ''
  if (domain === undefined || (domain !== '' && !cursor.skip("'"))) return cursor.fail(suspicion, 'not a domain')
  if (!cursor.skip(' logged in')) return cursor.fail(suspicion, 'not a success line')
  const user = domain === '' ? name : `${name}@${domain}`
  if (cursor.ended) return { kind: 'login_without_address', user, service: 'pop3' }
  const address = domain === '' && cursor.skip(' from ') ? takeAddress(cursor, 'address') : undefined
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!skipCounts(cursor, 1)) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

/** `bob logged in with mailbox /var/mail/bob`, `with shared mailbox`: an APOP login. */
function parseApop(cursor: Cursor): ParseResult {
  const suspicion = cursor.text.includes(' logged in with ') ? 'suspect' : 'ordinary'
  const user = takeUser(cursor)
  if (user === undefined || !cursor.skip(' logged in with ')) return cursor.fail(suspicion, 'not a success line')
  cursor.skip('shared ')
  if (!cursor.skip('mailbox ') || !cursor.pass(PATH, LONGEST_PATH) || !cursor.ended) {
    return cursor.fail('suspect', 'not the name of a mailbox')
  }
  return { kind: 'login_without_address', user, service: 'pop3' }
}

/** `'alice' from 198.51.100.7, nmsgs=3, ndel=0`; without the address it says no more than the end of a process. */
function parseEnd(cursor: Cursor): ParseResult {
  if (!cursor.skip("'")) return { kind: 'disconnect' }
  const user = takeUser(cursor)
  const address = cursor.skip("' from ") ? takeAddress(cursor, 'address') : undefined
  if (user === undefined || address === undefined || !skipCounts(cursor, 2)) return { kind: 'disconnect' }
  return { kind: 'logout', user, service: 'pop3', address }
}

/** Up to `most` of `, nmsgs=3` and `, ndel=0`, and the end of the message. */
function skipCounts(cursor: Cursor, most: number): boolean {
  for (const words of [', nmsgs=', ', ndel='].slice(0, most)) {
    if (cursor.skip(words) && !cursor.pass(DIGITS, 10)) return false
  }
  return cursor.ended
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, LONGEST_USER, 'user')
}
