/**
 * MailEnable's IMAP activity log (IMAP-Activity-*.log), columns between tabs: time, `IMAP-IN`, nothing, socket, address, command, the whole
 * command with the password starred out, the answer, bytes sent and received, account. The columns are those of a genuine LOGIN that failed;
 * no genuine line of one that succeeded was found, so of its answer only what RFC 3501 lays down is asked for: the tag and `OK`. Left
 * out: POP, of which no genuine line was found at all; the W3C logs; AUTHENTICATE; logouts.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import { ownFileLine, wholeTime } from '../own-file.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'

const TITLE = 'MailEnable'
const LAYOUT = 'MailEnable activity log'
const LONGEST_USER = 255
const LONGEST_TAG = 64
const LONGEST_ANSWER = 200

/** Month, day, year. */
const START = /^(\d\d)\/(\d\d)\/(\d\d) (\d\d:\d\d:\d\d)\tIMAP-IN\t/
const USER = charsExcept(' "\\(){}')
const TAG = charsExcept(' "*+')
const STARS = charSet('*')
const ANSWER = charsExcept('')

/** The parser for MailEnable's IMAP service. */
export const mailenable: Parser = {
  id: 'mailenable',
  title: TITLE,
  literals: ['IMAP-IN'],
  forgeryMarks: [],
  crlf: true,
  sample: [
    '11/22/26 13:03:38\tIMAP-IN\t\t3404\t198.51.100.7\tLOGIN\tLOGIN "alice@example.com" "********"\t001 OK LOGIN completed\t30\t42\t\t',
  ],
  openLine,
  parse,
}

function openLine(raw: string): LogLine | undefined {
  const [start, month, day, year, clock] = START.exec(raw) ?? []
  const time = start === undefined ? undefined : wholeTime(`20${year}-${month}-${day} ${clock}`)
  return start === undefined || time === undefined ? undefined : ownFileLine(raw, time, LAYOUT, start.length)
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (line.program !== LAYOUT) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  if (!cursor.skip('\t') || !cursor.pass(DIGITS, 10) || !cursor.skip('\t')) return cursor.fail('ordinary', 'no socket')
  const address = takeAddress(cursor, 'address')
  if (address === undefined || !cursor.skip('\t')) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip('LOGIN\tLOGIN ')) return cursor.fail('ordinary', 'not a login')
  const user = takeArguments(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no plain user name, or no starred password')
  if (!cursor.pass(TAG, LONGEST_TAG)) return cursor.fail('suspect', 'no answer with a tag')
  if (!cursor.skip(' OK ')) return cursor.fail('ordinary', 'the login failed')
  if (!cursor.pass(ANSWER, LONGEST_ANSWER) || !skipRest(cursor))
    return cursor.fail('suspect', 'not the columns of a login')
  return { kind: 'login', login: { user, address, service: 'imap' } }
}

/** `"alice@example.com" "********"` and the tab behind it; each may stand without quotes. */
function takeArguments(cursor: Cursor): string | undefined {
  const isQuoted = cursor.skip('"')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return undefined
  if ((isQuoted && !cursor.skip('"')) || !cursor.skip(' ')) return undefined
  const isStarsQuoted = cursor.skip('"')
  if (!cursor.pass(STARS, LONGEST_USER) || (isStarsQuoted && !cursor.skip('"'))) return undefined
  return cursor.skip('\t') ? user : undefined
}

/** Bytes sent, bytes received, the account or nothing, nothing. A tab in what the client sent makes one column too many. */
function skipRest(cursor: Cursor): boolean {
  for (let count = 0; count < 2; count++) {
    if (!cursor.skip('\t') || !cursor.pass(DIGITS, 12)) return false
  }
  if (!cursor.skip('\t')) return false
  cursor.pass(USER, LONGEST_USER)
  return cursor.skip('\t') && cursor.ended
}
