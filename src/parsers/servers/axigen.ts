/**
 * Axigen (version 10, Windows and Linux): its own log (`everything.txt`, `default.txt`), where the line of the connection tells the address
 * and a later one of the same session the user. After genuine lines, which are of IMAP alone: its POP3 lines were nowhere to be found, and
 * are left out, as are connections over IPv6 and logging to a syslog daemon.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine, LogTime } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'
import { readTime } from '../time-field.ts'

const TITLE = 'Axigen'
/** Time with zone, level, host, then the service with the number of the session. */
const START =
  /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([+-]\d{4}) \d\d ([A-Za-z0-9._-]{1,255}) ([A-Z][A-Z0-9-]{1,31}):([0-9A-F]{8}): /
const SERVICE = 'IMAP'
const CONNECTED = '] connection accepted from ['
const AUTHORIZED = '] successfully authorized!'
const USER = charsExcept('[]"\' ')
const IPV4 = charSet('0123456789.')
const LONGEST_USER = 254

/** The parser for Axigen. */
export const axigen: Parser = {
  id: 'axigen',
  title: TITLE,
  literals: ['] connection accepted from [', AUTHORIZED],
  isOwnFileOnly: true,
  forgeryMarks: [],
  sample: [
    '2026-11-22 18:08:05 +0100 08 mail IMAP:000056A7: [192.0.2.25:143] connection accepted from [198.51.100.7:52339]',
    '2026-11-22 18:08:05 +0100 08 mail IMAP:000056A7: User [alice@example.com] successfully authorized!',
  ],
  openLine,
  parse,
}

/** `program` is `IMAP:000056A7`: no tag of a syslog holds a colon. */
function openLine(raw: string): LogLine | undefined {
  const start = START.exec(raw)
  if (start === null) return undefined
  const [whole, text = '', zone = '', host = '', service, session] = start
  const time: LogTime | undefined = readTime(`${text}${zone} `, 0)?.time
  if (time === undefined) return undefined
  const messageColumn = whole.length
  const program = `${service}:${session}`
  return { envelope: 'own-file', time, host, program, message: raw.slice(messageColumn), raw, messageColumn }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const [service, session] = line.program.split(':')
  if (line.envelope !== 'own-file' || session === undefined) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  if (service !== SERVICE) return cursor.fail('ordinary', `a line of ${service}, not of IMAP`)
  if (cursor.skip('User [')) return parseLogin(cursor, line.program)
  return parseConnection(cursor, line.program)
}

/** `[192.0.2.25:143] connection accepted from [198.51.100.7:52339]`. The server's own address may be any. */
function parseConnection(cursor: Cursor, session: string): ParseResult {
  if (!cursor.skip('[') || !cursor.pass(IPV4, 15) || !skipPort(cursor) || !cursor.skip(CONNECTED)) {
    return cursor.failConnection('suspect', 'not a line of a connection or login', session)
  }
  const address = takeClient(cursor)
  if (address === undefined) return cursor.failConnection('suspect', 'not a client address with its port', session)
  if (!cursor.skip(']') || !cursor.ended) return cursor.failConnection('suspect', 'text after the address', session)
  return { kind: 'connect', address, session }
}

/** `alice@example.com] successfully authorized!`. */
function parseLogin(cursor: Cursor, session: string): ParseResult {
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip(AUTHORIZED) || !cursor.ended) return cursor.fail('suspect', 'the user name does not end here')
  return { kind: 'login_without_address', user, service: 'imap', session }
}

/** `198.51.100.7:52339`. */
function takeClient(cursor: Cursor): ClientAddress | undefined {
  const start = cursor.at
  const address = parseLoggedAddress(cursor.take(IPV4, 15) ?? '')
  if (address === undefined) return undefined
  cursor.note('address', start)
  return skipPort(cursor) ? address : undefined
}

function skipPort(cursor: Cursor): boolean {
  return cursor.skip(':') && cursor.pass(DIGITS, 5)
}
