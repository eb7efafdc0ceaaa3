/**
 * Cucipop 1.31: the statistics that it logs at the end of a session, `user address messages, left (bytes), deleted (bytes)`. The form is
 * that of pop-before-smtp 1.x, made after a sample of D. Roesen; the part of Cucipop's source that writes it was not found.
 */
import { type Cursor, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'Cucipop'
const PROGRAMS = new Set(['cucipop', 'in.cucipop'])
const USER = charsExcept('()[]<>"\', ')
const LONGEST_USER = 128

/** The parser for Cucipop. No words stand in its line, so it is found by its tag. */
export const cucipop: Parser = {
  id: 'cucipop',
  title: TITLE,
  literals: ['cucipop'],
  forgeryMarks: [],
  sample: ['Apr  9 08:41:00 mail cucipop[621]: alice 198.51.100.7 3, 1 (2048), 2 (9120)'],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage),
}

function parseMessage(cursor: Cursor): ParseResult {
  const start = cursor.at
  const user = cursor.take(USER, LONGEST_USER)
  if (user === undefined || !cursor.skip(' ')) return cursor.fail('ordinary', 'no user name')
  cursor.note('user', start)
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('ordinary', 'no client address after the first word')
  if (!skipStatistics(cursor) || !cursor.ended) return cursor.fail('suspect', 'not the statistics of a session')
  return { kind: 'login', login: { user, address, service: 'pop3' } }
}

/** ` 3, 1 (2048), 2 (9120)`. */
function skipStatistics(cursor: Cursor): boolean {
  if (!cursor.skip(' ') || !cursor.pass(DIGITS, 20)) return false
  for (let count = 0; count < 2; count++) {
    if (!cursor.skip(', ') || !cursor.pass(DIGITS, 20)) return false
    if (!cursor.skip(' (') || !cursor.pass(DIGITS, 20) || !cursor.skip(')')) return false
  }
  return true
}
