/**
 * hMailServer 5.4 to 5.6 (Logger.cpp, POP3Connection.cpp, IMAPConnection.cpp, IMAPCommandLogin.cpp, PasswordRemover.cpp), its own file with
 * columns between tabs and CR LF at the end: `"POP3D" thread session "time" "address" "SENT: text"`. What the client sends stands behind
 * `RECEIVED:`, nothing in it escaped. The user stands in the command, the success in the answer, both with the session's number. Left out:
 * IMAP users sent as literals, AUTHENTICATE (version 5.7), logouts (the line names no user).
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import { ownFileLine, wholeTime } from '../own-file.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'

const TITLE = 'hMailServer'
const LAYOUT = 'hMailServer log'
const RECEIVED = 'RECEIVED: '
const POP3_PASSED = 'SENT: +OK Mailbox locked and ready'
const IMAP_PASSED = ' OK LOGIN completed'
/** Stands in the middle of a line that was cut (`MaxLogLineLen`, 500 characters unless set otherwise). */
const CUT = ' ... '
const LONGEST_USER = 255
const LONGEST_TAG = 64

const START = /^"(?:POP3D|IMAPD)"\t\d{1,10}\t\d{1,10}\t"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?)"\t"/
const TIME = charSet('0123456789-:. ')
const USER = charsExcept(' "\\(){}')
const TAG = charsExcept(' "*+')

/** The parser for hMailServer. */
export const hmailserver: Parser = {
  id: 'hmailserver',
  title: TITLE,
  literals: [RECEIVED, POP3_PASSED, IMAP_PASSED],
  forgeryMarks: [],
  crlf: true,
  sample: [
    '"POP3D"\t1828\t17\t"2026-11-22 13:31:02.200"\t"198.51.100.7"\t"RECEIVED: USER alice@example.com"',
    '"POP3D"\t1828\t17\t"2026-11-22 13:31:02.564"\t"198.51.100.7"\t"SENT: +OK Mailbox locked and ready"',
  ],
  openLine,
  parse,
}

function openLine(raw: string): LogLine | undefined {
  const text = START.exec(raw)?.[1]
  const time = text === undefined ? undefined : wholeTime(text)
  return time === undefined ? undefined : ownFileLine(raw, time, LAYOUT, 0)
}

/** What the columns before the text say. */
interface Columns {
  readonly service: 'pop3' | 'imap'
  readonly session: string
  readonly address: ClientAddress
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (line.program !== LAYOUT) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  const columns = parseColumns(cursor)
  if (typeof columns === 'string') return cursor.fail('suspect', columns)
  if (cursor.skip(RECEIVED)) return parseCommand(cursor, columns)
  return columns.service === 'pop3' ? parsePop3Answer(cursor, columns) : parseImapAnswer(cursor, columns)
}

/** Up to the quote in front of the text; or what is wrong. */
function parseColumns(cursor: Cursor): Columns | string {
  const service = cursor.skip('"POP3D"\t') ? 'pop3' : cursor.skip('"IMAPD"\t') ? 'imap' : undefined
  if (service === undefined || !cursor.pass(DIGITS, 10) || !cursor.skip('\t')) return 'no service and thread'
  const session = cursor.take(DIGITS, 10, 'session')
  if (session === undefined) return 'no number of the session'
  if (!cursor.skip('\t"') || !cursor.pass(TIME, 30) || !cursor.skip('"\t"')) return 'no time'
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return 'not a client address'
  return cursor.skip('"\t"') ? { service, session, address } : 'the address does not end here'
}

/** `"SENT: +OK Mailbox locked and ready"`. */
function parsePop3Answer(cursor: Cursor, { address, session }: Columns): ParseResult {
  if (!cursor.skip(`${POP3_PASSED}"`) || !cursor.ended) return cursor.fail('suspect', 'not a success line')
  return { kind: 'login_without_user', address, service: 'pop3', session }
}

/** `"SENT: A001 OK LOGIN completed"`. The tag is the client's choice; a blank ends it. */
function parseImapAnswer(cursor: Cursor, { address, session }: Columns): ParseResult {
  if (!cursor.skip('SENT: ') || !cursor.pass(TAG, LONGEST_TAG)) return cursor.fail('suspect', 'no answer with a tag')
  if (!cursor.skip(`${IMAP_PASSED}"`) || !cursor.ended) return cursor.fail('suspect', 'not a success line')
  return { kind: 'login_without_user', address, service: 'imap', session }
}

/** A command that can name the user does so or makes forget who was named before; one that cannot is passed over. */
function parseCommand(cursor: Cursor, { service, session }: Columns): ParseResult {
  const { text } = cursor
  const isImitation = text.includes(POP3_PASSED) || text.includes(IMAP_PASSED)
  const isCut = text.includes(CUT)
  const word = service === 'pop3' ? skipWord(cursor, 'USER') : skipImapWord(cursor)
  if (word === undefined && !isCut) {
    return cursor.fail(isImitation ? 'suspect' : 'ordinary', 'a command of a client, whatever it says')
  }
  const user = word === undefined || word === 'AUTHENTICATE' ? undefined : takeUser(cursor, service)
  return user === undefined ? { kind: 'disconnect', session } : { kind: 'attempt', user, session }
}

/** Steps over `word`, in any case, if it is the whole word that stands here: the server takes what stands before a blank. */
function skipWord(cursor: Cursor, word: string): string | undefined {
  const end = cursor.at + word.length
  const after = cursor.text[end]
  if (cursor.text.slice(cursor.at, end).toUpperCase() !== word || (after !== ' ' && after !== '"')) return undefined
  cursor.at = end
  return word
}

/** The same behind a tag: whatever stands before the first blank. */
function skipImapWord(cursor: Cursor): string | undefined {
  const start = cursor.at
  const blank = cursor.text.indexOf(' ', start)
  if (blank < 0) return undefined
  cursor.at = blank + 1
  const word = skipWord(cursor, 'LOGIN') ?? skipWord(cursor, 'AUTHENTICATE')
  if (word === undefined) cursor.at = start
  return word
}

/** ` alice@example.com"` in POP3; ` alice@example.com ***"` in IMAP, the name in quotes or not. */
function takeUser(cursor: Cursor, service: 'pop3' | 'imap'): string | undefined {
  if (!cursor.skip(' ')) return undefined
  const isQuoted = service === 'imap' && cursor.skip('"')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return undefined
  if (isQuoted && !cursor.skip('"')) return undefined
  if (service === 'imap' && !cursor.skip(' ***')) return undefined
  return cursor.skip('"') && cursor.ended ? user : undefined
}
