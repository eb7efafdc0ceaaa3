/**
 * Perdition 0.1.9 to 2.2: the `Auth:` line with `status="ok"`, which it writes when the real server has accepted the login, and again
 * every `connect_relog` seconds of the session; `Close:` and `Closing session:` at its end. After perdition/perdition.c of all versions.
 * Left out: ManageSieve, its own file (a user name with a line feed writes lines there), inetd without addresses, lines without a status.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import type { Service } from '../../core/login.ts'
import { Cursor, charSet, charsExcept, DIGITS, IP_ADDRESS } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Perdition'
const SIEVE_PROGRAM = 'perdition.managesieve'
/** The names that Perdition knows of itself, which tell the protocol where no option does. */
const PROGRAMS = new Map<string, Service>([
  ['perdition', 'any'],
  ['perdition.pop3', 'pop3'],
  ['perdition.pop3s', 'pop3'],
  ['perdition.imap4', 'imap'],
  ['perdition.imap4s', 'imap'],
  ['perdition.imap', 'imap'],
  ['perdition.imaps', 'imap'],
  [SIEVE_PROGRAM, 'any'],
])
const PROCESSES = new Set(PROGRAMS.keys())
const UNITS = new Set(['perdition.service'])
const PROTOCOLS = new Map<string, Service>([
  ['POP3', 'pop3'],
  ['POP3S', 'pop3'],
  ['IMAP4', 'imap'],
  ['IMAP4S', 'imap'],
])
const PORTS = new Map<string, Service>([
  ['110', 'pop3'],
  ['995', 'pop3'],
  ['143', 'imap'],
  ['993', 'imap'],
])
const AUTH = 'Auth: '
const SUCCESS = ' status="ok"'
const SECURITY = ['ssl', 'starttls', 'plaintext']

/** ManageSieve, SMTP: lines of 1.x tell no protocol but by the port. */
const OTHER_PORTS = new Set(['25', '465', '587', '2000', '4190'])

/** Perdition writes every text between quotes as it is: one that holds a quote gives nothing. */
const QUOTED = charsExcept('"')
const WORD = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
const LONGEST_TEXT = 255
const LONGEST_ENDPOINT = 51
/** Perdition cuts at 4095 bytes, old syslogs at 1024: a name made to fill that pushes the true status out and leaves one of its own at the end. */
const LONGEST_MESSAGE = 800

/** The parser for Perdition. */
export const perdition: Parser = {
  id: 'perdition',
  title: TITLE,
  literals: [AUTH],
  logoutLiterals: ['Closing session:', 'Close: '],
  forgeryMarks: [SUCCESS],
  sample: [
    'Nov 22 14:28:35 mx1 perdition[430]: Auth: 198.51.100.7:37465->192.0.2.25:143 client-secure=plaintext authorisation_id=NONE authentication_id="alice" server="192.0.2.26:143" protocol=IMAP4 server-secure=plaintext status="ok"',
  ],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const named = PROGRAMS.get(line.program)
  if (named === undefined) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES, UNITS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (isOwnFile(line)) return cursor.fail('suspect', 'no host: a line of its own file, where clients can write lines')
  if (cursor.skip(AUTH)) return parseAuth(cursor, named)
  if (cursor.skipOneOf(['Closing session: ', 'Close: ']) !== undefined) return parseClose(cursor, named)
  return cursor.fail(line.message.includes(SUCCESS) ? 'suspect' : 'ordinary', 'not a line of a login')
}

/** `Nov 22 14:28:35 perdition[430]: ...`: what `log_facility /path` gives has no host. */
function isOwnFile({ envelope, host }: LogLine): boolean {
  return envelope === 'own-file' || (envelope === 'syslog3164' && host === '')
}

/** Both ends of the connection as they stand in the line: 1.x writes addresses, 2.x addresses and ports. */
interface Connection {
  readonly from: string
  readonly start: number
  readonly to: string
}

function parseAuth(cursor: Cursor, named: Service): ParseResult {
  const connection = takeConnection(cursor)
  if (connection === undefined) return cursor.fail('suspect', 'no addresses of both ends')
  if (cursor.skip(' client-secure=')) return parseVersion2(cursor, connection)
  return parseVersion1(cursor, connection, named)
}

function takeConnection(cursor: Cursor): Connection | undefined {
  const start = cursor.at
  const from = cursor.take(IP_ADDRESS, LONGEST_ENDPOINT)
  if (from === undefined || !cursor.skip('->')) return undefined
  const to = cursor.take(IP_ADDRESS, LONGEST_ENDPOINT)
  return to === undefined ? undefined : { from, start, to }
}

/** `ssl authorisation_id=NONE authentication_id="alice" server="h:143" protocol=IMAP4S server-secure=plaintext status="ok"`. */
function parseVersion2(cursor: Cursor, connection: Connection): ParseResult {
  const security = takeSecurity(cursor)
  const user = security === undefined ? undefined : takeIdentity(cursor)
  if (security === undefined || user === undefined) return cursor.fail('suspect', 'no user name')
  skipPassword(cursor)
  if (takeQuoted(cursor, ' server=') === undefined) return cursor.fail('suspect', 'no server')
  const protocol = cursor.skip(' protocol=') ? cursor.take(WORD, 16) : undefined
  if (protocol === undefined) return cursor.fail('suspect', 'no protocol')
  if (!cursor.skip(' server-secure=') || takeSecurity(cursor) === undefined) {
    return cursor.fail('suspect', 'not how the server is reached')
  }
  const service = PROTOCOLS.get(protocol)
  if (service === undefined) return cursor.fail('ordinary', `${protocol} is not POP3 or IMAP`)
  const address = endpointAddress(cursor, connection)
  return parseStatus(cursor, address, { user, service, tls: security !== 'plaintext' })
}

function takeSecurity(cursor: Cursor): string | undefined {
  const word = cursor.take(WORD, 16)
  return word !== undefined && SECURITY.includes(word) ? word : undefined
}

/** The identity that was asked for: that of authorization, where one was given, else that of the password. */
function takeIdentity(cursor: Cursor): string | undefined {
  const key = ' authorisation_id='
  const isGiven = cursor.skip(`${key}NONE`) === false
  const asked = isGiven ? takeQuoted(cursor, key, 'user') : undefined
  if (isGiven && asked === undefined) return undefined
  const own = takeQuoted(cursor, ' authentication_id=', isGiven ? 'login' : 'user')
  return own === undefined ? undefined : (asked ?? own)
}

/** `user="alice" passwd="XXXXXX" server="h" port="143" status="ok"`; the password only in 1.18. */
function parseVersion1(cursor: Cursor, connection: Connection, named: Service): ParseResult {
  const user = takeQuoted(cursor, ' user=', 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  skipPassword(cursor)
  if (takeQuoted(cursor, ' server=') === undefined) return cursor.fail('suspect', 'no server')
  const port = takeQuoted(cursor, ' port=', 'port')
  if (port === undefined) return cursor.fail('suspect', 'no port')
  if (OTHER_PORTS.has(port) || cursor.line.program === SIEVE_PROGRAM) {
    return cursor.fail('ordinary', 'a port or a program that is not POP3 or IMAP')
  }
  const service = named === 'any' ? (PORTS.get(port) ?? 'any') : named
  return parseStatus(cursor, plainAddress(cursor, connection), { user, service })
}

function parseStatus(
  cursor: Cursor,
  address: ClientAddress | undefined,
  login: { readonly user: string; readonly service: Service; readonly tls?: boolean },
): ParseResult {
  if (cursor.text.length > LONGEST_MESSAGE) return cursor.fail('suspect', 'so long that it may be cut')
  if (cursor.ended) return cursor.fail('ordinary', 'no status: a version that does not tell whether it was a success')
  if (cursor.skip(' status="failed')) return cursor.fail('ordinary', 'a login that failed')
  if (!cursor.skip(SUCCESS)) return cursor.fail('suspect', 'not the status of a success')
  if (!cursor.ended) return cursor.fail('suspect', 'text after the status')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  return { kind: 'login', login: { ...login, address } }
}

/** ` key="text"`: 1 to 255 characters, none of them a quote. */
function takeQuoted(cursor: Cursor, key: string, name?: string): string | undefined {
  if (!cursor.skip(key) || !cursor.skip('"')) return undefined
  const text = cursor.take(QUOTED, LONGEST_TEXT, name)
  return text !== undefined && cursor.skip('"') ? text : undefined
}

/** ` passwd="..."`: masked, or the password itself where an operator asked for that; it is looked at no further. */
function skipPassword(cursor: Cursor): void {
  takeQuoted(cursor, ' passwd=')
}

/** 2.x: address and port, of IPv6 too without brackets, so what stands behind the last colon is the port. */
function endpointAddress(cursor: Cursor, { from, start }: Connection): ClientAddress | undefined {
  const colon = from.lastIndexOf(':')
  const isPort = colon > 0 && /^\d{1,5}$/.test(from.slice(colon + 1))
  return isPort ? notedAddress(cursor, from.slice(0, colon), start) : undefined
}

function plainAddress(cursor: Cursor, { from, start }: Connection): ClientAddress | undefined {
  return notedAddress(cursor, from, start)
}

function notedAddress(cursor: Cursor, text: string, start: number): ClientAddress | undefined {
  const address = parseLoggedAddress(text)
  const end = cursor.at
  cursor.at = start + text.length
  if (address !== undefined) cursor.note('address', start)
  cursor.at = end
  return address
}

/** `A:1->B:143 authorisation_id=NONE authentication_id="alice" received=11 sent=18`; 1.x: `A->B user="alice" received=11 sent=18`. */
function parseClose(cursor: Cursor, named: Service): ParseResult {
  const connection = takeConnection(cursor)
  if (connection === undefined) return cursor.fail('ordinary', 'no addresses of both ends')
  const isVersion2 = cursor.text.startsWith(' authorisation_id=', cursor.at)
  const user = isVersion2 ? takeIdentity(cursor) : takeQuoted(cursor, ' user=', 'user')
  const isWhole =
    cursor.skip(' received=') && cursor.pass(DIGITS, 20) && cursor.skip(' sent=') && cursor.pass(DIGITS, 20)
  if (user === undefined || !isWhole || !cursor.ended) return cursor.fail('ordinary', 'not the end of a session')
  const address = (isVersion2 ? endpointAddress : plainAddress)(cursor, connection)
  if (address === undefined) return cursor.fail('ordinary', 'not a client address')
  const { to } = connection
  const local = isVersion2 ? PORTS.get(to.slice(to.lastIndexOf(':') + 1)) : undefined
  return { kind: 'logout', user, address, service: named === 'any' ? (local ?? 'any') : named }
}
