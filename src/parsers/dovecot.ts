/**
 * Dovecot 0.99 to 2.4, pop3-login and imap-login. The elements are those of `login_log_format_elements` (Dovecot manual), in any
 * order; `login_log_format` must begin with the message (the default). Left out: proxied sessions, other login services, anonymous logins.
 */
import type { LogLine } from '../core/log-line.ts'
import { Cursor, charSet, charsExcept, IP_ADDRESS, WORD } from './cursor.ts'
import { parseLoggedAddress } from './logged-address.ts'
import type { ParsedField, ParseResult, Parser } from './parser.ts'
import { foreign, forged, senderMismatch } from './sender.ts'

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

const LONGEST_USER = 255
const LONGEST_VALUE = 128
const MOST_ELEMENTS = 24

/** The parser for Dovecot. */
export const dovecot: Parser = {
  id: 'dovecot',
  title: TITLE,
  literals: SUCCESS,
  forgeryMarks: ['Login: user=<', 'Logged in: user=<'],
  parse,
}

function parse(line: LogLine): ParseResult {
  const oldStyle = SERVICES.get(line.program)
  if (line.program !== 'dovecot' && oldStyle === undefined && !isUnnamed(line)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line)
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
  const user = cursor.take(OLD_USER, LONGEST_USER)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  const fields = [cursor.field('user', user)]
  if (!cursor.skip(' [')) return cursor.fail('suspect', 'no address after the user name')
  const address = takeAddress(cursor, fields, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service }, fields }
}

function parseSuccess(cursor: Cursor, service: 'pop3' | 'imap'): ParseResult {
  if (cursor.skipOneOf(SUCCESS) === undefined) return cursor.fail(suspicion(cursor.line), 'not a success line')
  const found: Elements = { fields: [], seen: new Set(), tls: false, closed: false }
  for (let count = 0; !cursor.ended; count++) {
    if (count === MOST_ELEMENTS) return cursor.fail('suspect', 'too many elements')
    const trouble = parseElement(cursor, found)
    if (trouble !== undefined) return cursor.fail(found.anonymous ? 'ordinary' : 'suspect', trouble)
    if (!cursor.ended && !cursor.skip(', ')) return cursor.fail('suspect', 'an element does not end here')
  }
  const { user, address, tls, fields } = found
  if (user === undefined) return cursor.fail('suspect', 'no user=<name>')
  if (address === undefined) return cursor.fail('suspect', 'no rip= with the client address')
  if (found.last === 'rip') return cursor.fail('suspect', 'the line ends with the address, which may be cut')
  return { kind: 'login', login: { user, address, service, tls }, fields }
}

interface Elements {
  readonly fields: ParsedField[]
  readonly seen: Set<string>
  tls: boolean
  /** Set behind `session=<...>`, the last element that can hold brackets: only words about TLS may follow. */
  closed: boolean
  anonymous?: boolean
  user?: string
  address?: NonNullable<ReturnType<typeof parseLoggedAddress>>
  last?: string
}

/** One element. Each key at most once: whatever a user name closes and opens again repeats one. Returns what is wrong. */
function parseElement(cursor: Cursor, found: Elements): string | undefined {
  found.last = undefined
  const start = cursor.at
  if (parseProtection(cursor, found)) return undefined
  const key = cursor.take(KEY, 24)
  if (key === undefined || !cursor.skip('=')) return 'not an element of login_log_format_elements'
  if (found.closed) return `${key}= after session=`
  if (found.seen.has(key)) {
    cursor.at = start
    return `${key}= twice`
  }
  found.seen.add(key)
  found.last = key
  return parseValue(cursor, found, key)
}

function parseValue(cursor: Cursor, found: Elements, key: string): string | undefined {
  if (key === 'user') return parseUser(cursor, found)
  if (key === 'rip') return parseRemoteAddress(cursor, found)
  if (key === 'session') return parseSession(cursor, found)
  const value = cursor.take(PLAIN_VALUE, LONGEST_VALUE)
  if (value === undefined) return `no plain value of ${key}=`
  if (key === 'method' && value.toUpperCase() === 'ANONYMOUS') {
    found.anonymous = true
    return 'an anonymous login proves nothing'
  }
  found.fields.push(cursor.field(key, value))
  return undefined
}

function parseUser(cursor: Cursor, found: Elements): string | undefined {
  const user = cursor.skip('<') ? cursor.take(USER, LONGEST_USER) : undefined
  if (user === undefined) return 'no user name in angle brackets'
  found.fields.push(cursor.field('user', user))
  found.user = user
  return cursor.skip('>') ? undefined : 'the user name does not end here'
}

function parseRemoteAddress(cursor: Cursor, found: Elements): string | undefined {
  const bracketed = cursor.skip('[')
  found.address = takeAddress(cursor, found.fields, 'rip')
  if (found.address === undefined) return 'not a client address'
  return bracketed && !cursor.skip(']') ? 'the address does not end here' : undefined
}

function parseSession(cursor: Cursor, found: Elements): string | undefined {
  found.closed = true
  const session = cursor.skip('<') ? cursor.take(SESSION, LONGEST_VALUE) : undefined
  if (session === undefined || !cursor.skip('>')) return 'not a session id'
  return undefined
}

function takeAddress(cursor: Cursor, fields: ParsedField[], name: string) {
  const start = cursor.at
  const text = cursor.take(IP_ADDRESS, 45)
  const address = text === undefined ? undefined : parseLoggedAddress(text)
  if (address === undefined) cursor.at = start
  else fields.push(cursor.field(name, text as string))
  return address
}

/** `%c` and `%k`: `TLS`, `secured`, `TLS: trouble`, `TLSv1.3 with cipher NAME (256/256 bits)`. */
function parseProtection(cursor: Cursor, found: Elements): boolean {
  const start = cursor.at
  if (cursor.skip('secured')) return true
  const protocol = cursor.skipOneOf(PROTOCOLS)
  const whole = protocol === undefined ? parsePlainTls(cursor) : parseCipher(cursor)
  if (whole) found.tls = true
  else cursor.at = start
  return whole
}

function parsePlainTls(cursor: Cursor): boolean {
  if (!cursor.skip('TLS')) return false
  return !cursor.skip(': ') || cursor.take(TLS_TROUBLE, 400) !== undefined
}

function parseCipher(cursor: Cursor): boolean {
  if (!cursor.skip(' with cipher ') || cursor.take(CIPHER, 80) === undefined) return false
  if (!cursor.skip(' (') || cursor.take(BITS, 12) === undefined || !cursor.skip(' bits)')) return false
  return !cursor.skip(' ') || cursor.take(WORD, 40) !== undefined
}
