/**
 * Dovecot 0.99 to 2.4, pop3-login and imap-login. The elements are those of `login_log_format_elements` (Dovecot manual), in any
 * order; `login_log_format` must begin with the message (the default). Left out: proxied sessions, other login services, anonymous logins.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, WORD } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Dovecot'
const SUCCESS = ['Login: ', 'Logged in: ']
const SERVICES = new Map<string, 'pop3' | 'imap'>([
  ['pop3-login', 'pop3'],
  ['imap-login', 'imap'],
])
const PROCESSES = new Set(['dovecot', 'log', 'pop3-login', 'imap-login'])

const SERVICE_NAME = charSet('abcdefghijklmnopqrstuvwxyz0123456789-')
const KEY = charSet('abcdefghijklmnopqrstuvwxyz_')
const USER = charsExcept('<>')
const SESSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.:-')
const PLAIN_VALUE = charsExcept('<>,"= ')
const OLD_USER = charsExcept('<>[]" ')
const TLS_TROUBLE = charsExcept('<>,=')
const CIPHER = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+')
const BITS = charSet('0123456789/')
const PROTOCOLS = ['TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1', 'SSLv3']

const SMALL_S = 's'.charCodeAt(0)
const LARGE_S = 'S'.charCodeAt(0)
const LARGE_T = 'T'.charCodeAt(0)
const LONGEST_USER = 255
const LONGEST_VALUE = 128
const MOST_ELEMENTS = 24
/** Old syslogs cut lines at 1024 bytes with all that stands before the message. A name made to fill that would push the true address out. */
const LONGEST_MESSAGE = 800

/** The parser for Dovecot. */
export const dovecot: Parser = {
  id: 'dovecot',
  title: TITLE,
  literals: SUCCESS,
  forgeryMarks: ['Login: user=<', 'Logged in: user=<'],
  sample: [
    'Nov 22 13:42:37 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=314, session=<b4J/pt1gF6rGM2QH>',
  ],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const oldStyle = SERVICES.get(line.program)
  if (line.program !== 'dovecot' && oldStyle === undefined && !isUnnamed(line)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  cursor.skip('Info: ')
  if (oldStyle !== undefined) return parseOwnTag(cursor, oldStyle)
  const name = cursor.take(SERVICE_NAME, 40)
  if (name === undefined || !cursor.skip(': '))
    return cursor.fail(suspicion(line), 'no login process in front of the text')
  const service = SERVICES.get(name)
  if (service === undefined && name.endsWith('-login')) return cursor.fail('ordinary', `${name} is not POP3 or IMAP`)
  if (service === undefined) return cursor.fail(suspicion(line), `${name} is not a login process`)
  cursor.skip('Info: ')
  return parseSuccess(cursor, service)
}

/** Dovecot 1.x without a log prefix: `May 31 09:43:57 Info: pop3-login: ...`. */
function isUnnamed(line: LogLine): boolean {
  return line.envelope === 'own-file' && line.program === 'Info'
}

/** A line of Dovecot that is no success: worth telling only if somebody made it look like one. */
function suspicion(line: LogLine): 'ordinary' | 'suspect' {
  return dovecot.forgeryMarks.some((mark) => line.message.includes(mark)) ? 'suspect' : 'ordinary'
}

/** The login process stands in the tag: 0.99 everywhere, 2.x in its own file only. */
function parseOwnTag(cursor: Cursor, service: 'pop3' | 'imap'): ParseResult {
  if (cursor.line.envelope === 'own-file' && cursor.text.includes('user=<')) return parseSuccess(cursor, service)
  return parseVersion0(cursor, service)
}

/** `Login: alice [198.51.100.7]`. */
function parseVersion0(cursor: Cursor, service: 'pop3' | 'imap'): ParseResult {
  if (!cursor.skip('Login: ')) return cursor.fail(suspicion(cursor.line), 'not a success line')
  const start = cursor.at
  const user = cursor.take(OLD_USER, LONGEST_USER)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  cursor.note('user', start)
  if (!cursor.skip(' [')) return cursor.fail('suspect', 'no address after the user name')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service } }
}

/** What the elements of a line have told so far. */
interface Elements {
  readonly seen: string[]
  count: number
  tls: boolean
  anonymous: boolean
  /** Set behind `session=<...>`, the last element that can hold brackets: only words about TLS may follow. */
  closed: boolean
  user: string | undefined
  address: ClientAddress | undefined
  last: string
}

function parseSuccess(cursor: Cursor, service: 'pop3' | 'imap'): ParseResult {
  if (cursor.skipOneOf(SUCCESS) === undefined) return cursor.fail(suspicion(cursor.line), 'not a success line')
  if (cursor.text.length > LONGEST_MESSAGE) return cursor.fail('suspect', 'so long that it may be cut')
  const found: Elements = {
    seen: [],
    count: 0,
    tls: false,
    anonymous: false,
    closed: false,
    user: undefined,
    address: undefined,
    last: '',
  }
  while (!cursor.ended) {
    const trouble = parseElement(cursor, found)
    if (trouble !== undefined) return cursor.fail(found.anonymous ? 'ordinary' : 'suspect', trouble)
    if (!cursor.ended && !cursor.skip(', ')) return cursor.fail('suspect', 'an element does not end here')
  }
  const { user, address, tls } = found
  if (user === undefined) return cursor.fail('suspect', 'no user=<name>')
  if (address === undefined) return cursor.fail('suspect', 'no rip= with the client address')
  if (found.last === 'rip') return cursor.fail('suspect', 'the line ends with the address, which may be cut')
  return { kind: 'login', login: { user, address, service, tls } }
}

/** One element. Each key at most once: whatever a user name closes and opens again repeats one. Returns what is wrong. */
function parseElement(cursor: Cursor, found: Elements): string | undefined {
  if (++found.count > MOST_ELEMENTS) return 'too many elements'
  found.last = ''
  const start = cursor.at
  if (parseProtection(cursor, found)) return undefined
  const key = cursor.take(KEY, 24)
  if (key === undefined || !cursor.skip('=')) return 'not an element of login_log_format_elements'
  if (found.closed) return `${key}= after session=`
  if (found.seen.includes(key)) {
    cursor.at = start
    return `${key}= twice`
  }
  found.seen.push(key)
  found.last = key
  return parseValue(cursor, found, key)
}

function parseValue(cursor: Cursor, found: Elements, key: string): string | undefined {
  if (key === 'user') return parseUser(cursor, found)
  if (key === 'rip') return parseRemoteAddress(cursor, found)
  if (key === 'session') return parseSession(cursor, found)
  const start = cursor.at
  if (!cursor.pass(PLAIN_VALUE, LONGEST_VALUE)) return `no plain value of ${key}=`
  if (key === 'method' && cursor.text.slice(start, cursor.at).toUpperCase() === 'ANONYMOUS') {
    found.anonymous = true
    return 'an anonymous login proves nothing'
  }
  cursor.note(key, start)
  return undefined
}

function parseUser(cursor: Cursor, found: Elements): string | undefined {
  const start = cursor.at + 1
  found.user = cursor.skip('<') ? cursor.take(USER, LONGEST_USER) : undefined
  if (found.user === undefined) return 'no user name in angle brackets'
  cursor.note('user', start)
  return cursor.skip('>') ? undefined : 'the user name does not end here'
}

function parseRemoteAddress(cursor: Cursor, found: Elements): string | undefined {
  const bracketed = cursor.skip('[')
  found.address = takeAddress(cursor, 'rip')
  if (found.address === undefined) return 'not a client address'
  return bracketed && !cursor.skip(']') ? 'the address does not end here' : undefined
}

function parseSession(cursor: Cursor, found: Elements): string | undefined {
  found.closed = true
  const start = cursor.at + 1
  if (!cursor.skip('<') || !cursor.pass(SESSION, LONGEST_VALUE)) return 'not a session id'
  cursor.note('session', start)
  return cursor.skip('>') ? undefined : 'not a session id'
}

/** `%c` and `%k`: `TLS`, `secured`, `TLS: trouble`, `TLSv1.3 with cipher NAME (256/256 bits)`. */
function parseProtection(cursor: Cursor, found: Elements): boolean {
  const first = cursor.text.charCodeAt(cursor.at)
  if (first === SMALL_S) return cursor.skip('secured')
  if (first !== LARGE_S && first !== LARGE_T) return false
  const start = cursor.at
  const protocol = cursor.skipOneOf(PROTOCOLS)
  found.tls = protocol === undefined ? parsePlainTls(cursor) : parseCipher(cursor)
  if (!found.tls) cursor.at = start
  else if (protocol !== undefined) cursor.note('tls', start)
  return found.tls
}

function parsePlainTls(cursor: Cursor): boolean {
  if (!cursor.skip('TLS')) return false
  return !cursor.skip(': ') || cursor.pass(TLS_TROUBLE, 400)
}

function parseCipher(cursor: Cursor): boolean {
  if (!cursor.skip(' with cipher ') || !cursor.pass(CIPHER, 80)) return false
  if (!cursor.skip(' (') || !cursor.pass(BITS, 12) || !cursor.skip(' bits)')) return false
  return !cursor.skip(' ') || cursor.pass(WORD, 40)
}
