/**
 * Microsoft Exchange 2013 to 2019, the protocol logs of POP3 and IMAP4 (Logging\Pop3, Logging\Imap4): one CSV record a command, whose columns
 * `#Fields:` names: dateTime, sessionId, seqNumber, sIp, cIp, user, duration, rqsize, rpsize, command, parameters, context and, in newer
 * versions, puid. A login is a record of `pass`, `auth`, `login` or `authenticate` whose context begins with `R=OK`, or `R=ok`. Left
 * out: the logs of the back end, where the client is the front end (ports 1993 and 1995, `ClientIp=`); Exchange 2007, which has other
 * columns; logouts (`CloseSession` does not tell whether somebody had logged in).
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS, IP_ADDRESS } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import { ownFileLine, wholeTime } from '../own-file.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'

const TITLE = 'Exchange'
const LAYOUT = 'Exchange protocol log'
const SERVICES = new Map<string, 'pop3' | 'imap'>([
  ['pass', 'pop3'],
  ['auth', 'pop3'],
  ['login', 'imap'],
  ['authenticate', 'imap'],
])
/** Where the back end listens for the front end. */
const BACK_END_PORTS = new Set(['1993', '1995'])
/** The context names these where a session is not the client's own, or where the login was answered with OK and came to nothing. */
const DOUBTS = ['ClientIp=', 'ErrMsg=', 'Excpt=', 'ExStk=', 'AuthFailed', 'LogonDenied']
const PROXY = 'Proxy:'
const PROXY_PASSED = 'ProxySuccess'

const PASSED = /^R=(?:OK|ok)(?:;|$)/
const START = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z),/
const HEXADECIMAL = charSet('0123456789ABCDEFabcdef')
const IPV4 = charSet('0123456789.')
const USER = charsExcept(',"')
const COMMAND = charSet('abcdefghijklmnopqrstuvwxyz')
const PLAIN = charsExcept(',"')
const QUOTED = charsExcept('"')
const LONGEST_USER = 255
const LONGEST_FIELD = 8192

/** The parser for the POP3 and IMAP4 services of Exchange. */
export const exchange: Parser = {
  id: 'exchange',
  title: TITLE,
  literals: [...SERVICES.keys()].map((command) => `,${command},`),
  forgeryMarks: [],
  crlf: true,
  sample: [
    '2026-11-22T13:24:48.514Z,0000000000000006,2,192.0.2.25:995,198.51.100.7:55577,alice,193,11,26,pass,*****,R=OK,',
  ],
  openLine,
  parse,
}

function openLine(raw: string): LogLine | undefined {
  const text = START.exec(raw)?.[1]
  const time = text === undefined ? undefined : wholeTime(text)
  return text === undefined || time === undefined ? undefined : ownFileLine(raw, time, LAYOUT, text.length + 1)
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (line.program !== LAYOUT) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  const session = parseSession(cursor)
  if (session === undefined) return cursor.fail('ordinary', 'no columns of a POP3 or IMAP4 log')
  const server = takeEndPoint(cursor, 'server')
  const client = server === undefined ? undefined : takeEndPoint(cursor, 'address')
  if (server === undefined || client === undefined) return cursor.fail('suspect', 'no addresses with ports')
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no plain user name')
  const service = parseCommand(cursor)
  if (service === undefined) return cursor.fail('ordinary', 'not a command that logs in')
  const context = parseRest(cursor)
  if (context === undefined) return cursor.fail('suspect', 'not the columns of a command')
  const trouble = doubt(context) ?? (isInside(server, client) ? 'a session inside the server' : undefined)
  if (trouble !== undefined) return cursor.fail('ordinary', trouble)
  if (user === '') return cursor.fail('suspect', 'a login without a user')
  return { kind: 'login', login: { user, address: client.address, service, session } }
}

/** `0000000000000006,2,`. */
function parseSession(cursor: Cursor): string | undefined {
  const start = cursor.at
  const session = cursor.take(HEXADECIMAL, 16)
  if (session?.length !== 16) return undefined
  cursor.note('session', start)
  return cursor.skip(',') && cursor.pass(DIGITS, 10) && cursor.skip(',') ? session : undefined
}

interface EndPoint {
  readonly address: ClientAddress
  readonly port: string
}

/** `198.51.100.7:55577,` or `[2001:db8::7]:55577,`. */
function takeEndPoint(cursor: Cursor, name: string): EndPoint | undefined {
  const isBracketed = cursor.skip('[')
  const start = cursor.at
  const text = cursor.take(isBracketed ? IP_ADDRESS : IPV4, 45)
  const address = text === undefined ? undefined : parseLoggedAddress(text)
  if (address === undefined) return undefined
  cursor.note(name, start)
  if ((isBracketed && !cursor.skip(']')) || !cursor.skip(':')) return undefined
  const port = cursor.take(DIGITS, 5)
  return port !== undefined && cursor.skip(',') ? { address, port } : undefined
}

/** `alice,`; empty before anybody gave a name. A name in quotes, for it holds a comma or a quote, gives nothing. */
function takeUser(cursor: Cursor): string | undefined {
  if (cursor.skip(',')) return ''
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return undefined
  return cursor.skip(',') ? user : undefined
}

/** `193,11,26,pass,`: duration, sizes, command. */
function parseCommand(cursor: Cursor): 'pop3' | 'imap' | undefined {
  for (let count = 0; count < 3; count++) {
    cursor.pass(DIGITS, 12)
    if (!cursor.skip(',')) return undefined
  }
  const command = cursor.take(COMMAND, 20, 'command')
  if (command === undefined) return undefined
  return cursor.skip(',') ? SERVICES.get(command) : undefined
}

/** `*****,R=OK` and, in newer versions, a comma and the puid. Returns the context; its quotes stay doubled where it stands in quotes. */
function parseRest(cursor: Cursor): string | undefined {
  if (takeField(cursor) === undefined || !cursor.skip(',')) return undefined
  const start = cursor.at
  const context = takeField(cursor)
  cursor.note('context', start)
  if (cursor.skip(',')) cursor.pass(HEXADECIMAL, 40)
  return cursor.ended ? context : undefined
}

/** One column of a CSV record (RFC 4180). */
function takeField(cursor: Cursor): string | undefined {
  const isQuoted = cursor.skip('"')
  const start = cursor.at
  if (!isQuoted) return cursor.pass(PLAIN, LONGEST_FIELD) ? cursor.text.slice(start, cursor.at) : ''
  for (;;) {
    cursor.pass(QUOTED, LONGEST_FIELD)
    if (!cursor.skip('"')) return undefined
    if (!cursor.skip('"')) return cursor.text.slice(start, cursor.at - 1)
  }
}

/** Why the context tells of no login. The result comes first in it, and is the server's own word. */
function doubt(context: string): string | undefined {
  if (!PASSED.test(context)) return 'the command failed'
  if (DOUBTS.some((text) => context.includes(text))) return 'answered with OK, but not without doubt'
  return context.includes(PROXY) && !context.includes(PROXY_PASSED) ? 'not passed on to a mailbox' : undefined
}

/** True on the back end, and where a server checks itself. */
function isInside(server: EndPoint, client: EndPoint): boolean {
  return BACK_END_PORTS.has(server.port) || server.address === client.address
}
