/**
 * XMail (xmailserver.org) since 1.25: the POP3 log, `logs/pop3-YYYYMMDDHHMM`, with a line for each login and each failure. After
 * POP3LogSession of POP3Svr.cpp (1.27): fields in quotes, tabs between them, nothing escaped. Left out: the log of older versions, which
 * has no field for the outcome and is written before the password is looked at.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'
import { readTime } from '../time-field.ts'

const TITLE = 'XMail POP3'
/** The program name of a line that {@link openLine} took. */
const OWN_NAME = 'xmail'
/** Name of the server, domain, address and time. The name and domain hold no quote, so the time is the server's own. */
const START = /^"[^"\t]{0,255}"\t"[^"\t]{0,255}"\t"[^"\t]{0,64}"\t"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"\t"/
/** The domain may be the client's word: what it writes behind the `@` of its name stands in this field. */
const DOMAIN = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:')
const USER = charsExcept('" ')
const PASSWORD = charsExcept('"')
const GAP = '"\t"'
const TIME_LENGTH = 19
/** XMail cuts each name behind 255 characters. */
const LONGEST_NAME = 254

/** The parser for XMail. */
export const xmail: Parser = {
  id: 'xmail',
  title: TITLE,
  literals: ['"LOGIN"'],
  isOwnFileOnly: true,
  forgeryMarks: [],
  sample: ['"mail.example.com"\t"example.com"\t"203.0.113.42"\t"2026-11-22 08:50:01"\t"bob"\t""\t"LOGIN"\t"2"\t"4120"'],
  openLine,
  parse,
}

function openLine(raw: string): LogLine | undefined {
  const text = START.exec(raw)?.[1]
  const time = text === undefined ? undefined : readTime(`${text} `, 0)?.time
  if (time === undefined) return undefined
  return { envelope: 'own-file', time, host: '', program: OWN_NAME, message: raw, raw, messageColumn: 0 }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (line.program !== OWN_NAME || line.messageColumn !== 0) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  if (!cursor.skip('"') || !cursor.pass(DOMAIN, LONGEST_NAME) || !cursor.skip(GAP)) {
    return cursor.fail('suspect', 'no name of the server')
  }
  const start = cursor.at
  if (!cursor.pass(DOMAIN, LONGEST_NAME)) return cursor.fail('suspect', 'no domain')
  cursor.note('domain', start)
  if (!cursor.skip(GAP)) return cursor.fail('suspect', 'the domain does not end here')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(GAP)) return cursor.fail('suspect', 'the address does not end here')
  cursor.at += TIME_LENGTH
  if (!cursor.skip(GAP)) return cursor.fail('suspect', 'the time does not end here')
  const userAt = cursor.at
  const user = cursor.take(USER, LONGEST_NAME)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  cursor.note('user', userAt)
  const trouble = skipOutcome(cursor)
  return trouble ?? { kind: 'login', login: { user, address, service: 'pop3' } }
}

/**
 * The password (empty unless `Pop3LogPasswd` is 2; never noted), `LOGIN`, the number of messages and their bytes. Returns why it is not
 * that; undefined where it is, up to the end.
 */
function skipOutcome(cursor: Cursor): ParseResult | undefined {
  if (!cursor.skip(GAP)) return cursor.fail('suspect', 'the user name does not end here')
  cursor.pass(PASSWORD, LONGEST_NAME + 1)
  if (!cursor.skip(GAP)) return cursor.fail('suspect', 'the password does not end here')
  if (cursor.skip('ELOGIN"') && cursor.ended) return cursor.fail('ordinary', 'the login failed')
  if (!cursor.skip(`LOGIN${GAP}`)) return cursor.fail('suspect', 'not a success line')
  const isWhole = cursor.pass(DIGITS, 20) && cursor.skip(GAP) && cursor.pass(DIGITS, 20) && cursor.skip('"')
  return isWhole && cursor.ended ? undefined : cursor.fail('suspect', 'not two numbers at the end')
}
