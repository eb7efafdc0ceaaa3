/**
 * Zimbra 5 to 10, audit.log of mailboxd: `cmd=Auth; account=...; protocol=imap;` (LdapProvisioning.java), behind the thread and the context
 * of the session (ZimbraLog.java; log4j.properties: `%d %-5p [%t] [%z] %c{1} - %m`). Left out: SOAP, HTTP, ActiveSync and preauth, which are no
 * POP3 or IMAP, and what mailbox.log tells of logins: there a client can write whole lines.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign } from '../sender.ts'
import { readTime } from '../time-field.ts'

const TITLE = 'Zimbra'
/** Stands for the program, which audit.log does not name; with a blank, as no line of a common layout has it. */
const PROGRAM = 'Zimbra audit.log'
const LEVEL = /(?:DEBUG|INFO |WARN |ERROR|FATAL) (?=\[)/y
/** Threads of the services, with what they serve; one of no service (5 and 6, IMAP through MINA) serves either. */
const THREADS: readonly (readonly [start: string, service: 'pop3' | 'imap' | 'any', tls?: true])[] = [
  ['Pop3Server-', 'pop3'],
  ['Pop3SSLServer-', 'pop3', true],
  ['ImapServer-', 'imap'],
  ['ImapSSLServer-', 'imap', true],
  ['MinaProtocolHandler-', 'any'],
]
const KEY = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
/** `;` in a value is written twice, so that none ends before its time; one that holds any gives nothing. */
const VALUE = charsExcept(';[]')
const ACCOUNT = charsExcept(';[]<>" ')
const LONGEST_VALUE = 512
const LONGEST_ACCOUNT = 255
const MOST_ENTRIES = 16
/** Loopback, private and unique local addresses. */
const PRIVATE = /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd][0-9a-f]{2}:)/

/** The parser for Zimbra. */
export const zimbra: Parser = {
  id: 'zimbra',
  title: TITLE,
  literals: ['cmd=Auth; account='],
  forgeryMarks: ['security - cmd=Auth; account='],
  sample: [
    '2010-09-08 00:12:27,202 INFO  [Pop3SSLServer-12505] [ip=198.51.100.7;] security - cmd=Auth; account=alice@example.com; protocol=pop3;',
  ],
  openLine,
  parse,
}

/** `2010-09-08 00:12:27,202 INFO  [thread] ...`: no syslog daemon parts time and text like that. */
function openLine(raw: string): LogLine | undefined {
  if (raw[10] !== ' ' || raw[19] !== ',' || raw[23] !== ' ') return undefined
  const field = readTime(raw, 0)
  if (field === undefined || field.style !== 'iso' || field.end !== 24) return undefined
  LEVEL.lastIndex = field.end
  if (!LEVEL.test(raw)) return undefined
  const message = raw.slice(field.end)
  return { envelope: 'own-file', time: field.time, host: '', program: PROGRAM, message, raw, messageColumn: field.end }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (line.program !== PROGRAM) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  if (line.envelope !== 'own-file') return cursor.fail('foreign', 'not a line of audit.log, which goes to no syslog')
  if (!cursor.skip('INFO  [')) return cursor.fail('ordinary', 'not of level INFO, so no success')
  const thread = THREADS.find(([start]) => cursor.skip(start))
  if (thread === undefined) return cursor.fail('ordinary', 'not a thread that serves POP3 or IMAP')
  if (!cursor.pass(DIGITS, 19) || !cursor.skip('] [')) return cursor.fail('suspect', 'not the name of a thread')
  const client = parseContext(cursor)
  if (typeof client === 'string') return cursor.fail('suspect', client)
  if (!cursor.skip('] security - cmd=Auth; account=')) return cursor.fail('suspect', 'not an entry about a login')
  return parseLogin(cursor, thread[1], client.address, thread[2] === true)
}

/** What the context tells of the client. */
interface Context {
  ip?: ClientAddress
  oip?: ClientAddress
}

/** `name=...;ip=...;oip=...;via=...;ua=...;cid=...;`, each once. Returns the address, or why there is none. */
function parseContext(cursor: Cursor): { address: ClientAddress } | string {
  const seen = new Set<string>()
  const context: Context = {}
  while (cursor.text[cursor.at] !== ']') {
    const key = cursor.take(KEY, 24)
    if (key === undefined || !cursor.skip('=')) return 'not key=value;'
    if (seen.has(key) || seen.size === MOST_ENTRIES) return `${key}= twice, or too many entries`
    seen.add(key)
    if (!parseValue(cursor, key, context)) return `no plain value of ${key}=`
    if (!cursor.skip(';')) return `the value of ${key}= does not end here`
  }
  if (seen.has('via') && !seen.has('oip')) return 'via= tells of a proxy, and no oip= of who is behind it'
  return clientOf(context)
}

function parseValue(cursor: Cursor, key: string, context: Context): boolean {
  if (key !== 'ip' && key !== 'oip') {
    const text = cursor.take(VALUE, LONGEST_VALUE)
    // An address under a name that is not known may be the client's, and that of ip= a proxy's.
    return text !== undefined && parseLoggedAddress(text) === undefined
  }
  const address = takeAddress(cursor, key)
  if (address === undefined) return false
  context[key] = address
  return true
}

/**
 * `oip=` is what the peer `ip=` says of who is behind it (IMAP `ID`, POP3 `XOIP`). Zimbra takes that from anybody: it is believed only
 * of a host in a private network, as proxies are.
 */
function clientOf({ ip, oip }: Context): { address: ClientAddress } | string {
  if (ip === undefined) return 'no ip='
  if (oip === undefined || oip === ip) return { address: ip }
  if (PRIVATE.test(ip)) return { address: oip }
  return `oip=${oip} was claimed by ${ip}, which is not in a private network as a proxy would be`
}

/** `alice@example.com; protocol=imap;`. */
function parseLogin(
  cursor: Cursor,
  served: 'pop3' | 'imap' | 'any',
  address: ClientAddress,
  isSecured: boolean,
): ParseResult {
  const user = cursor.take(ACCOUNT, LONGEST_ACCOUNT, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no account')
  if (!cursor.skip('; protocol=')) return cursor.fail('ordinary', 'no protocol, so not a login by POP3 or IMAP')
  const protocol = cursor.skipOneOf(['pop3', 'imap'])
  if (protocol === undefined) return cursor.fail('ordinary', 'neither POP3 nor IMAP')
  if (!cursor.skip(';') || !cursor.ended) return cursor.fail('suspect', 'text after the protocol')
  if (served !== 'any' && served !== protocol)
    return cursor.fail('suspect', 'a protocol that the thread does not serve')
  const login = { user, address, service: protocol as 'pop3' | 'imap' }
  return { kind: 'login', login: isSecured ? { ...login, tls: true } : login }
}
