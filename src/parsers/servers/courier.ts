/**
 * Courier and Courier-IMAP, 0.3x to 2.0 (imap 1.0 to 6.0): `LOGIN, user=alice, ip=[::ffff:198.51.100.7], port=[50111], protocol=IMAP`, as
 * imapd.C, imaplogin.C, pop3dserver.C and pop3login.C print it (the last two of imap/ when they pass a session on). Left out:
 * sqwebmail and esmtpd, which are other services, and user names with a comma, a quote or a square bracket.
 *
 * All goes through courierlogger (liblog/logger.c), which reads at most 511 bytes at once and sends the rest of a longer line as lines of
 * their own: whoever tries to log in with a long name writes what he likes there. Lines of that length are told as cut, and the
 * lines that a client can make so long are looked for although they are no logins.
 */
import type { LogLine } from '../../core/log-line.ts'
import type { Service } from '../../core/login.ts'
import { type CommonMatch, commonForm, FIELD, FIRST_FIELD, TAG } from '../common-form.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'Courier'
const SUCCESS = 'LOGIN, user='
/** What ends a session that was logged in. */
const ENDS = ['LOGOUT', 'DISCONNECTED', 'TIMEOUT', 'I/O error disconnect'].map((verb) => `${verb}, user=`)

/** courierlogger's name for a service (`-name=`), or the program that it runs; with `courier` or `courier-` in front on Debian and Plesk. */
const SERVICES = new Map<string, Service>([
  ...tags('imap', ['d', 'd-ssl', 'login', 'login-ssl']),
  ...tags('pop3', ['d', 'd-ssl', 'login', 'login-ssl']),
  ...['courier-imap', 'courier-imaps', 'courier-imap-ssl'].map((tag) => [tag, 'imap'] as const),
  ...['courier-pop3', 'courier-pop3s', 'courier-pop', 'courier-pop3-ssl'].map((tag) => [tag, 'pop3'] as const),
  ['couriertcpd', 'any'],
])
const OTHER_SERVICES = new Set(['sqwebmaild', 'sqwebmail', 'webmaild', 'webmail', 'esmtpd', 'esmtpd-ssl', 'esmtpd-msa'])
const PROCESSES = new Set(['courierlogger'])

const USER = charsExcept(',[]"')
const KEY = charSet('abcdefghijklmnopqrstuvwxyz')
const LONGEST_USER = 255
/** 511 bytes less the longest mark of a severity that courierlogger takes off (`DEBUG: `), and some more. No login is so long. */
const CUT_BYTES = 500
const MOST_COUNTERS = 12

/** The parser for Courier. */
export const courier: Parser = {
  id: 'courier',
  title: TITLE,
  // Behind the first, whose name or text a client chooses: a failed login, a trace, the client's own name for itself, a deleted folder, the
  // fields of a header that could not be read, what came of a message that was put into the outbox.
  literals: [
    SUCCESS,
    'LOGIN FAILED, user=',
    'LOGIN: ip=[',
    'ID, user=',
    'EXPUNGED, user=',
    'IMAP FETCH ERROR: ',
    'error sending a message, user=',
  ],
  logoutLiterals: ENDS,
  forgeryMarks: [SUCCESS],
  sample: ['Nov 22 13:58:12 mx1 imapd: LOGIN, user=alice, ip=[::ffff:198.51.100.7], port=[38717], protocol=IMAP'],
  common: commonForm(
    '(?:imap|pop3)d(?:-ssl)?',
    `LOGIN, user=${FIELD.user}, ip=\\[(?:::ffff:)?${FIELD.ipv4}\\], port=\\[\\d{1,5}\\](?:, protocol=(IMAP|POP3))?(, starttls=1|, stls=1)?`,
    readCommon,
    'with header',
  ),
  parse,
}

function readCommon(match: CommonMatch): ParsedLogin | undefined {
  const [tag, user] = [match[TAG] as string, match[FIRST_FIELD] as string]
  const address = parseLoggedAddress(match[FIRST_FIELD + 1] as string)
  const [protocol, secured] = [match[FIRST_FIELD + 2], match[FIRST_FIELD + 3]]
  const service = tag.startsWith('imap') ? 'imap' : 'pop3'
  if (address === undefined || (protocol !== undefined && protocol.toLowerCase() !== service)) return undefined
  return secured !== undefined || isTlsTag(tag) ? { user, address, service, tls: true } : { user, address, service }
}

function tags(service: 'imap' | 'pop3', ends: readonly string[]): (readonly [string, Service])[] {
  return ['', 'courier', 'courier-'].flatMap((start) => ends.map((end) => [start + service + end, service] as const))
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const cursor = new Cursor(line, fields)
  const service = SERVICES.get(line.program)
  if (service === undefined) {
    return OTHER_SERVICES.has(line.program)
      ? cursor.fail('ordinary', `${line.program} is not POP3 or IMAP`)
      : foreign(TITLE, line)
  }
  const misfit = senderMismatch(line, PROCESSES) ?? userMismatch(line)
  if (misfit !== undefined) return forged(misfit)
  if (isCut(line.message)) return { kind: 'cut', reason: 'so long that it is cut, and what follows may be its rest' }
  if (cursor.skip(SUCCESS)) return parseLogin(cursor, service)
  if (cursor.skipOneOf(ENDS) !== undefined) return parseEnd(cursor, service)
  // Somebody tries to log in with a name that looks like a login.
  return cursor.fail(cursor.text.includes(SUCCESS) ? 'suspect' : 'ordinary', 'not a success line')
}

/** The server's courierlogger is root's. A user could start one of his own within the service, by the program `loginexec` in his Maildir. */
function userMismatch({ sender }: LogLine): string | undefined {
  const uid = sender?.uid
  const isTrusted = uid === undefined || uid === 0 || sender?.rule?.uids !== undefined
  return isTrusted ? undefined : `sent by a courierlogger of user id ${uid} (option \`senders\`)`
}

function isCut(message: string): boolean {
  return message.length * 3 >= CUT_BYTES && Buffer.byteLength(message) >= CUT_BYTES
}

/** `alice, ip=[198.51.100.7], port=[50111], protocol=IMAP, starttls=1`; old versions have no port, older ones no protocol. */
function parseLogin(cursor: Cursor, tagged: Service): ParseResult {
  const client = takeClient(cursor)
  if (typeof client === 'string') return cursor.fail('suspect', client)
  const { user, address } = client
  const service = takeProtocol(cursor, tagged)
  if (service === undefined) return cursor.fail('suspect', 'not a protocol of this service')
  const encrypted = cursor.skipOneOf([', starttls=1', ', stls=1']) !== undefined
  if (!cursor.ended) return cursor.fail('suspect', 'text after the address')
  const login = { user, address, service }
  return { kind: 'login', login: encrypted || isTlsTag(cursor.line.program) ? { ...login, tls: true } : login }
}

function isTlsTag(tag: string): boolean {
  return tag.endsWith('-ssl') || tag.endsWith('s')
}

/** `, protocol=IMAP`. A POP3 session that is passed on has `protocol=` with nothing behind it. */
function takeProtocol(cursor: Cursor, tagged: Service): Service | undefined {
  const start = cursor.at + ', protocol='.length
  if (!cursor.skip(', protocol=')) return tagged
  const protocol = cursor.skipOneOf(['IMAP', 'SMAP1', 'SMAP', 'POP3'])
  cursor.note('protocol', start)
  if (protocol === undefined) return tagged === 'imap' ? undefined : tagged
  const told = protocol === 'POP3' ? 'pop3' : 'imap'
  return tagged === 'any' || tagged === told ? told : undefined
}

/** `alice, ip=[198.51.100.7], top=0, retr=0, rcvd=12, sent=40, time=0, stls=1`: counters, of which each version has others. */
function parseEnd(cursor: Cursor, service: Service): ParseResult {
  const client = takeClient(cursor)
  if (typeof client === 'string') return cursor.fail('suspect', client)
  for (let count = 0; !cursor.ended; count++) {
    const isCounter = cursor.skip(', ') && cursor.pass(KEY, 10) && cursor.skip('=') && cursor.pass(DIGITS, 20)
    if (!isCounter || count === MOST_COUNTERS) return cursor.fail('suspect', 'not the counters of a session')
  }
  return { kind: 'logout', user: client.user, address: client.address, service }
}

/** `alice, ip=[198.51.100.7], port=[50111]`, or what is wrong. */
function takeClient(cursor: Cursor) {
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return 'no user name'
  if (!cursor.skip(', ip=[')) return 'the user name does not end here'
  const address = takeAddress(cursor, 'ip')
  if (address === undefined) return 'not a client address'
  if (!cursor.skip(']')) return 'the address does not end here'
  if (cursor.skip(', port=[') && !(cursor.pass(DIGITS, 5) && cursor.skip(']'))) return 'not a port'
  return { user, address }
}
