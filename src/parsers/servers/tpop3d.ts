/**
 * tpop3d 1.0 to 1.5 (netloop.c fork_child and connections_post_select; FAQ for the wording before 1.4). The success line names the user
 * twice, and both must be the same. Left out: `authcontext_new_user_pass`, the line before it, which has no address.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import { type Cursor, charsExcept, DIGITS, WORD } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'tpop3d'
const PROGRAMS = new Set(['tpop3d'])
const USER = charsExcept('()[]<>"\'` ')
const LONGEST_USER = 128
const BEGAN = ': began session for `'
const FINISHED = ': finished session for `'
const AUTHENTICATED = ': successfully authenticated with '

/** The parser for tpop3d. */
export const tpop3d: Parser = {
  id: 'tpop3d',
  title: TITLE,
  literals: [BEGAN, AUTHENTICATED],
  logoutLiterals: [FINISHED],
  forgeryMarks: ['fork_child: ['],
  sample: [
    "Nov 22 14:27:11 mx1 tpop3d[208]: fork_child: [5]alice(198.51.100.7): began session for `alice' with pam; child PID is 340",
  ],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  if (cursor.skip('connections_post_select: client ')) return parseEnd(cursor)
  if (!cursor.skip('fork_child: ')) return cursor.fail('ordinary', 'not the line of a new session')
  const client = takeClient(cursor)
  if (client === undefined) return cursor.fail('suspect', 'no user name with a client address')
  if (cursor.skip(AUTHENTICATED)) {
    if (!cursor.pass(WORD, 40) || !cursor.ended) return cursor.fail('suspect', 'text after the way of authentication')
    return { kind: 'login', login: { ...client, service: 'pop3' } }
  }
  if (!cursor.skip(BEGAN) || !skipSession(cursor, client.user)) return cursor.fail('suspect', 'not the same user again')
  if (!cursor.skip('; child PID is ') || !cursor.pass(DIGITS, 10) || !cursor.ended) {
    return cursor.fail('suspect', 'not the end of a success line')
  }
  return { kind: 'login', login: { ...client, service: 'pop3' } }
}

/** `[5]bob(198.51.100.8): finished session for `bob' with pam`, written by the child. */
function parseEnd(cursor: Cursor): ParseResult {
  const client = takeClient(cursor)
  if (client === undefined || !cursor.skip(FINISHED)) return cursor.fail('ordinary', 'not the end of a session')
  if (!skipSession(cursor, client.user) || !cursor.ended) return cursor.fail('ordinary', 'not the same user again')
  return { kind: 'logout', ...client, service: 'pop3' }
}

/** `[5]bob(198.51.100.8)`: the number of the connection, the user, his address. */
function takeClient(cursor: Cursor): { user: string; address: ClientAddress } | undefined {
  if (!cursor.skip('[') || !cursor.pass(DIGITS, 10) || !cursor.skip(']')) return undefined
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return undefined
  const address = cursor.skip('(') ? takeAddress(cursor, 'address') : undefined
  return address !== undefined && cursor.skip(')') ? { user, address } : undefined
}

/** `bob' with pam`. */
function skipSession(cursor: Cursor, user: string): boolean {
  return cursor.skip(user) && cursor.skip("' with ") && cursor.pass(WORD, 40)
}
