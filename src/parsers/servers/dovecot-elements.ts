/**
 * What stands behind Dovecot's `Login: `: the elements of `login_log_format_elements` (client_get_log_str() in client-common.c, 1.0 to 2.4),
 * in any order. An element whose variables are all empty is not there at all: a client of a local socket has no `rip=`.
 *
 * A user name may hold what looks like elements. Each key stands once, so whatever a name brings repeats one of the true elements. Where
 * that is not enough, because the form of an element is not Dovecot's own, the session id must prove the address: Dovecot makes the id from
 * time, port and address of the client.
 */
import { type ClientAddress, parseClientAddress } from '../../core/client-address.ts'
import { type Cursor, charSet, charsExcept, WORD } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'

const KEY = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-')
const USER = charsExcept('<>')
const SESSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.:-')
const PLAIN_VALUE = charsExcept('<>,"= ')
const TLS_TROUBLE = charsExcept('<>,=')
const CIPHER = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+')
const BITS = charSet('0123456789/')
const PROTOCOLS = ['TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1', 'SSLv3', 'SSLv2']
/** Elements of the default settings never stand behind `session=`, which ends them. */
const DEFAULT_KEYS = new Set(['user', 'method', 'rip', 'lip', 'mpid'])

const SMALL_S = 's'.charCodeAt(0)
const SMALL_V = 'v'.charCodeAt(0)
const BRACKET = '('.charCodeAt(0)
const LARGE_S = 'S'.charCodeAt(0)
const LARGE_T = 'T'.charCodeAt(0)
const LONGEST_USER = 255
/** Dovecot 2 writes 80 bytes of a name at most, three dots in place of the rest. */
const CUT_USER_BYTES = 77
const LONGEST_VALUE = 128
const MOST_ELEMENTS = 24
/** Time and port, which stand in a session id in front of the address. */
const ADDRESS_OFFSET = 8

/** What the elements of a line have told so far. */
interface Elements {
  readonly seen: string[]
  count: number
  tls: boolean
  anonymous: boolean
  /** Set behind `session=<...>` where that stands behind `user=`: it is the last element of the default settings. */
  closed: boolean
  /** Set by an element that is not of Dovecot's own form. */
  unusual: boolean
  user: string | undefined
  address: ClientAddress | undefined
  session: string | undefined
  /** Key of the element that was read last, unless it is one that cannot be cut unseen. */
  last: string
}

/** Reads elements up to the end of the message. Returns what is wrong, with the cursor where it is. */
export function readElements(cursor: Cursor): Elements | { readonly trouble: string; readonly anonymous: boolean } {
  const found: Elements = {
    seen: [],
    count: 0,
    tls: false,
    anonymous: false,
    closed: false,
    unusual: false,
    user: undefined,
    address: undefined,
    session: undefined,
    last: '',
  }
  while (!cursor.ended) {
    const trouble = parseElement(cursor, found)
    if (trouble !== undefined) return { trouble, anonymous: found.anonymous }
    if (!cursor.ended && !cursor.skip(', ')) return { trouble: 'an element does not end here', anonymous: false }
  }
  if (found.unusual && !isProven(found)) {
    return { trouble: 'unusual elements, and no session id that proves the address', anonymous: false }
  }
  return found
}

/** One element. Each key at most once: whatever a user name closes and opens again repeats one. Returns what is wrong. */
function parseElement(cursor: Cursor, found: Elements): string | undefined {
  if (++found.count > MOST_ELEMENTS) return 'too many elements'
  found.last = ''
  const start = cursor.at
  if (parseProtection(cursor, found)) return undefined
  const key = cursor.take(KEY, 24)
  if (key === undefined || !cursor.skip('=')) return 'not an element of login_log_format_elements'
  if (found.closed && (DEFAULT_KEYS.has(key) || found.seen.includes(key))) return `${key}= after session=`
  if (found.seen.includes(key)) {
    cursor.at = start
    return `${key}= twice`
  }
  if (found.closed) found.unusual = true
  found.seen.push(key)
  found.last = key
  return parseValue(cursor, found, key)
}

function parseValue(cursor: Cursor, found: Elements, key: string): string | undefined {
  if (key === 'user') return parseUser(cursor, found)
  if (key === 'rip') return parseRemoteAddress(cursor, found)
  if (key === 'session') return parseSession(cursor, found)
  if (cursor.text[cursor.at] === '<') return parseBracketed(cursor, found, key)
  if (parseProtection(cursor, found)) return undefined
  const start = cursor.at
  if (!passPlainValue(cursor)) return `no plain value of ${key}=`
  if (key === 'method' && cursor.text.slice(start, cursor.at).toUpperCase() === 'ANONYMOUS') {
    found.anonymous = true
    return 'an anonymous login proves nothing'
  }
  cursor.note(key, start)
  return undefined
}

/** A value without blanks; a comma belongs to it where no blank follows (the JA3 text of a TLS client). */
function passPlainValue(cursor: Cursor): boolean {
  const start = cursor.at
  if (!cursor.pass(PLAIN_VALUE, LONGEST_VALUE)) return false
  while (cursor.text[cursor.at] === ',' && cursor.text[cursor.at + 1] !== ' ' && cursor.at - start <= LONGEST_VALUE) {
    cursor.skip(',')
    cursor.pass(PLAIN_VALUE, LONGEST_VALUE)
  }
  return cursor.at - start <= 2 * LONGEST_VALUE
}

/** `<alice>`, or without brackets where a site left them out. */
function parseUser(cursor: Cursor, found: Elements): string | undefined {
  const bracketed = cursor.skip('<')
  const start = cursor.at
  found.user = cursor.take(bracketed ? USER : PLAIN_VALUE, LONGEST_USER)
  if (!bracketed) found.unusual = true
  if (found.user === undefined) return 'no user name in angle brackets'
  if (found.user.endsWith('...') && Buffer.byteLength(found.user) >= CUT_USER_BYTES) return 'a user name that is cut'
  cursor.note('user', start)
  return !bracketed || cursor.skip('>') ? undefined : 'the user name does not end here'
}

/** `auth_user=<admin>` and whatever else a site has in brackets. */
function parseBracketed(cursor: Cursor, found: Elements, key: string): string | undefined {
  found.unusual = true
  const start = cursor.at + 1
  if (!cursor.skip('<') || !cursor.pass(USER, LONGEST_VALUE)) return `no value of ${key}= in angle brackets`
  cursor.note(key, start)
  return cursor.skip('>') ? undefined : `the value of ${key}= does not end here`
}

function parseRemoteAddress(cursor: Cursor, found: Elements): string | undefined {
  const bracketed = cursor.skip('[')
  found.address = takeAddress(cursor, 'rip')
  if (found.address === undefined) return 'not a client address'
  if (!bracketed) return undefined
  found.last = ''
  return cursor.skip(']') ? undefined : 'the address does not end here'
}

function parseSession(cursor: Cursor, found: Elements): string | undefined {
  // In front of `user=` no name has been read that could have brought it.
  found.closed = found.user !== undefined
  const start = cursor.at + 1
  found.session = cursor.skip('<') ? cursor.take(SESSION, LONGEST_VALUE) : undefined
  if (found.session === undefined) return 'not a session id'
  cursor.note('session', start)
  return cursor.skip('>') ? undefined : 'not a session id'
}

/** `%c` and `%k`: `TLS`, `secured`, `TLS: trouble`, `(proxied)`, `TLSv1.3 with cipher NAME (256/256 bits)`; 2.4 also misspells it `TSL`. */
function parseProtection(cursor: Cursor, found: Elements): boolean {
  const { text, at: start } = cursor
  const first = text.charCodeAt(start)
  if (first === SMALL_S) return skipSecured(cursor)
  if (first === BRACKET) return cursor.skip('(proxied)')
  if (first !== LARGE_S && first !== LARGE_T) return false
  const isVersion = text.charCodeAt(start + 3) === SMALL_V
  const isTls = isVersion ? parseCipher(cursor) : parsePlainTls(cursor)
  if (!isTls) cursor.at = start
  else if (isVersion) cursor.note('tls', start)
  if (isTls) found.tls = true
  return isTls
}

function skipSecured(cursor: Cursor): boolean {
  const behind = cursor.text[cursor.at + 'secured'.length]
  return (behind === undefined || behind === ',') && cursor.skip('secured')
}

function parsePlainTls(cursor: Cursor): boolean {
  if (cursor.skip('TSL')) return true
  if (!cursor.skip('TLS')) return false
  cursor.skip(' handshaking')
  return !cursor.skip(': ') || cursor.pass(TLS_TROUBLE, 400)
}

function parseCipher(cursor: Cursor): boolean {
  if (cursor.skipOneOf(PROTOCOLS) === undefined || !cursor.skip(' with cipher ') || !cursor.pass(CIPHER, 80))
    return false
  if (!cursor.skip(' (') || !cursor.pass(BITS, 12) || !cursor.skip(' bits)')) return false
  return !cursor.skip(' ') || cursor.skip('zlib compression') || cursor.pass(WORD, 40)
}

/** True where the session id holds the client's address, as Dovecot makes it (since 2.2). */
function isProven({ session, address }: Elements): boolean {
  if (session === undefined || address === undefined) return false
  const bytes = Buffer.from(session, 'base64').subarray(ADDRESS_OFFSET)
  if (bytes.length === 4) return bytes.join('.') === address
  if (bytes.length !== 16) return false
  return parseClientAddress((bytes.toString('hex').match(/.{4}/g) ?? []).join(':')) === address
}
