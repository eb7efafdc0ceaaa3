/**
 * Stalwart Mail Server 0.9 to 0.16: the event `auth.success` in its text log (`[tracer]` of type `log`, or `stdout` through syslog or
 * journald), without colors and on one line. After crates/trc/src/serializers/text.rs and the `trc::event!` calls of crates/common. First stand
 * the keys of the connection, then those of the event. Left out: 0.6 to 0.8, which log no successful logins; the tracers `journal`,
 * whose messages name no address, and `open-telemetry`; listeners for other protocols.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'
import { readTime } from '../time-field.ts'

const TITLE = 'Stalwart'
const NAME = '(auth.success) '
const SUCCESS = `Authentication successful ${NAME}`
/** `stalwart-mail` up to 0.11; containers are named as their operator likes. */
const PROGRAM = /^stalwart(?:-mail|-server)?$/
const PROCESSES = new Set(['stalwart', 'stalwart-mail', 'stalwart-server'])
const UNITS = new Set(['stalwart.service', 'stalwart-mail.service', 'stalwart-server.service'])
const LEVELS = ['INFO ', 'DEBUG ', 'TRACE ', 'WARN ', 'ERROR ']
const OWN_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (?=(?:INFO|DEBUG|TRACE|WARN|ERROR) )/

const KEY = charSet('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
/** Quotes are not escaped, backslashes and line ends are: a text that holds one of either gives nothing. */
const QUOTED = charsExcept('"\\')
const BARE = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:')
const LONGEST_TEXT = 255
const MOST_KEYS = 16
const PORTS = new Map<string, Service>([
  ['110', 'pop3'],
  ['995', 'pop3'],
  ['143', 'imap'],
  ['993', 'imap'],
])
const SERVICES = new Map<string, Service>([
  ['pop3', 'pop3'],
  ['imap', 'imap'],
])
/** Operators name listeners; these are the names of the configuration that Stalwart brings, and what is like them. */
const LISTENER = /^(?:imap|pop3)(?:s|tls|-[a-z0-9-]*|[0-9]*)$/
const OTHER_LISTENER = /smtp|submission|sieve|http|jmap|lmtp|dav/i

type Service = 'pop3' | 'imap'

/** The parser for Stalwart. */
export const stalwart: Parser = {
  id: 'stalwart',
  title: TITLE,
  literals: [NAME],
  forgeryMarks: [SUCCESS],
  sample: [
    '2025-11-27T14:59:31Z INFO Authentication successful (auth.success) listenerId = "imap", localPort = 143, remoteIp = 198.51.100.7, remotePort = 42381, accountName = "bob@example.com", accountId = 8',
  ],
  openLine,
  parse,
}

function openLine(raw: string): LogLine | undefined {
  const match = OWN_TIME.exec(raw)
  const time = match === null ? undefined : readTime(raw, 0)?.time
  if (match === null || time === undefined) return undefined
  const messageColumn = match[0].length
  return {
    envelope: 'own-file',
    time,
    host: '',
    program: 'stalwart',
    message: raw.slice(messageColumn),
    raw,
    messageColumn,
  }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (!PROGRAM.test(line.program)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES, UNITS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  // Through syslog or journald the whole line of the standard output is the message, with its own time.
  if (line.envelope !== 'own-file') cursor.at += OWN_TIME.exec(cursor.text)?.[0].length ?? 0
  if (cursor.skipOneOf(LEVELS) === undefined || !cursor.skip(SUCCESS)) {
    return cursor.fail(line.message.includes(SUCCESS) ? 'suspect' : 'ordinary', 'not the event of a successful login')
  }
  return parseEvent(cursor)
}

/** What the keys have told so far. */
interface Keys {
  readonly seen: string[]
  listener: string | undefined
  protocol: string | undefined
  port: string | undefined
  address: ClientAddress | undefined
  user: string | undefined
}

function parseEvent(cursor: Cursor): ParseResult {
  const none = undefined
  const keys: Keys = { seen: [], listener: none, protocol: none, port: none, address: none, user: none }
  do {
    const trouble = parseKey(cursor, keys)
    if (trouble !== undefined) return cursor.fail('suspect', trouble)
  } while (cursor.skip(', '))
  if (!cursor.ended) return cursor.fail('suspect', 'a value does not end here')
  const { user, address } = keys
  const service = serviceOf(keys)
  if (service === undefined) return cursor.fail('ordinary', 'a login at no POP3 or IMAP listener')
  if (address === undefined) return cursor.fail('suspect', 'no remoteIp with the client address')
  if (user === undefined) return cursor.fail('suspect', 'no accountName')
  return { kind: 'login', login: { user, address, service } }
}

/** `key = value`. Each key at most once, and the address before the name that a client may have chosen. Returns what is wrong. */
function parseKey(cursor: Cursor, keys: Keys): string | undefined {
  const start = cursor.at
  const key = cursor.take(KEY, 32)
  if (key === undefined || !cursor.skip(' = ')) return 'not a key and its value'
  if (keys.seen.includes(key) || keys.seen.push(key) > MOST_KEYS) {
    cursor.at = start
    return `${key} twice, or too many keys`
  }
  if (key === 'remoteIp') return parseRemoteIp(cursor, keys)
  const value = takeValue(cursor, key)
  if (value === undefined) return `no plain value of ${key}`
  if (key === 'listenerId') keys.listener = value
  if (key === 'localPort') keys.port = value
  // 0.9 told the protocol, and named the account `name`.
  if (key === 'protocol') keys.protocol = value
  if (key === 'accountName' || key === 'name') keys.user = keys.user === undefined ? value : ''
  return keys.user === '' ? 'two names' : undefined
}

function parseRemoteIp(cursor: Cursor, keys: Keys): string | undefined {
  if (keys.user !== undefined) return 'remoteIp behind the name'
  keys.address = takeAddress(cursor, 'remoteIp')
  return keys.address === undefined ? 'not a client address' : undefined
}

function takeValue(cursor: Cursor, key: string): string | undefined {
  const isQuoted = cursor.skip('"')
  const value = cursor.take(isQuoted ? QUOTED : BARE, LONGEST_TEXT, key)
  return value !== undefined && isQuoted && !cursor.skip('"') ? undefined : value
}

/** Whatever the listener's name, its protocol and its port say must be POP3 or IMAP, and the same. */
function serviceOf({ listener = '', protocol, port = '' }: Keys): Service | undefined {
  if (listener === '' || OTHER_LISTENER.test(listener)) return undefined
  const named = LISTENER.test(listener) ? SERVICES.get(listener.slice(0, 4)) : undefined
  const spoken = SERVICES.get(protocol ?? '')
  if (protocol !== spoken) return undefined
  const [told, ...others] = [named, spoken, PORTS.get(port)].filter((service) => service !== undefined)
  return others.every((other) => other === told) ? told : undefined
}
