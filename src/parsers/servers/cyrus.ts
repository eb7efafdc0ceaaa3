/**
 * Cyrus IMAP 1.5 to 3.x, imapd and pop3d, and the proxies of a Murder: `login: host [address] user mechanism User logged in` (imap/imapd.c,
 * pop3d.c, proxyd.c, pop3proxyd.c of each version), and from 3.13 on `event=login.good ...` (imap/loginlog.c). `USAGE` ends a session
 * (imap/telemetry.c). Left out: anonymous logins, `imapd -N`, which asks for no password, KPOP before 2.3, the other services of
 * Cyrus.
 */
import type { LogLine } from '../../core/log-line.ts'
import type { Service } from '../../core/login.ts'
import { type CommonMatch, commonForm, FIELD, FIRST_FIELD, HOST, PID, TAG } from '../common-form.ts'
import { Cursor, charSet, charsExcept, DIGITS } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'
import { parseEvent } from './cyrus-event.ts'
import { isAnonymous, mechanismTrouble, sessionOf, takeClient } from './cyrus-parts.ts'

const TITLE = 'Cyrus IMAP'
const PROCESSES = new Set(['imapd', 'pop3d', 'proxyd', 'pop3proxyd'])
/** Names of services in cyrus.conf are the operator's to choose; these are those of all examples, and what begins like them. */
const SERVICE = /^(?:(pop3[a-z0-9_-]{0,24}|kpop)|(imap[a-z0-9_-]{0,24}|proxyd))$/i
/** Tags of other servers and programs, not of Cyrus without its prefix. */
const FOREIGN_TAG =
  /^(?:imap-login|pop3-login|imaplogin|pop3login|(?:imap|pop3)(?:login|d)-ssl|imapproxyd?|imapsync|imapfilter|imap4d)$/
/** Those of the other services, which write the same lines. */
const OTHER_SERVICE =
  /^(?:https?|httpd|nntps?|nntpd|sieve|timsieved|lmtp[a-z0-9_-]*|mupdate|sync[a-z0-9_-]*|csync|backup[a-z]*)$/i
/** What is left of `cyrus/pop3` where a syslog daemon cuts names at the slash. */
const CUT_TAG = 'cyrus'
/** Of the services that tell a session id, only POP3 and IMAP use these mechanisms: HTTP has schemes of its own, and SCRAM. */
const MAIL_MECHANISMS = new Set(['PLAINTEXT', 'PLAIN', 'LOGIN', 'CRAM-MD5', 'DIGEST-MD5', 'APOP', 'GSSAPI'])

const USER = charsExcept('[]<>" ')
const MECHANISM = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
const SESSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-')
const LONGEST_USER = 255
const LONGEST_SESSION = 255
/** Old syslogs cut lines at 1024 bytes, with all that stands before the message. */
const LONGEST_MESSAGE = 800

/** How the lines begin, and what parses the rest of them. */
const LINES: readonly (readonly [start: string, parseRest: (cursor: Cursor, service: Service) => ParseResult])[] = [
  ['login: ', parseProse],
  ['event=login.good ', parseEvent],
  ['USAGE ', parseUsage],
]

/** The parser for Cyrus IMAP. */
export const cyrus: Parser = {
  id: 'cyrus',
  title: TITLE,
  literals: ['User logged in', 'plaintext', 'event=login.good'],
  logoutLiterals: ['USAGE '],
  forgeryMarks: ['plaintext User logged in', 'event=login.good'],
  sample: [
    'Nov 22 14:11:02 mx1 cyrus/pop3[367]: login: roaming.example.com [203.0.113.42] carol plaintext User logged in SESSIONID=<mx1-1795356662-367-3-17220047422676047410>',
  ],
  common: commonForm(
    '(?:cyrus/)?(?:imaps?|pop3s?)',
    `login: (?:${FIELD.host} )?\\[${FIELD.ipv4}\\] ${FIELD.user} (?:plaintext|PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5)(\\+TLS)? User logged in(?: SESSIONID=<([A-Za-z0-9._-]{1,100})>)?`,
    readCommon,
    'with header',
  ),
  parse,
}

function readCommon(match: CommonMatch): ParsedLogin | undefined {
  const [tag, pid, user] = [match[TAG] as string, match[PID], match[FIRST_FIELD + 1] as string]
  const address = parseLoggedAddress(match[FIRST_FIELD] as string)
  const [secured, id] = [match[FIRST_FIELD + 2], match[FIRST_FIELD + 3]]
  if (address === undefined || pid === undefined || isAnonymous(user)) return undefined
  const service = tag.includes('pop3') ? 'pop3' : 'imap'
  const session = `${match[HOST]} ${tag}[${Number(pid)}]`
  if (secured === undefined && id === undefined) return { user, address, service, session }
  return { user, address, service, tls: secured !== undefined, session }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const service = serviceOf(line.program)
  if (service === undefined) return foreign(TITLE, line)
  const cursor = new Cursor(line, fields)
  if (service === 'other') return parseOther(cursor)
  const parseRest = LINES.find(([start]) => cursor.skip(start))?.[1]
  if (parseRest === undefined) return parseFailure(cursor)
  const misfit = senderMismatch(line, PROCESSES)
  return misfit === undefined ? parseRest(cursor, service) : forged(misfit)
}

/** Each failed login holds a literal; where the rest of a success line stands in it too, somebody chose his name for that. */
function parseFailure(cursor: Cursor): ParseResult {
  const isImitation = cyrus.forgeryMarks.some((mark) => cursor.text.includes(mark))
  return cursor.fail(isImitation ? 'suspect' : 'ordinary', 'not a success line')
}

/** The service that the tag names: `pop3`, or behind a `syslog_prefix`, `cyrus/pop3`. */
function serviceOf(program: string): Service | 'other' | undefined {
  if (program === CUT_TAG) return 'any'
  if (FOREIGN_TAG.test(program)) return undefined
  const slash = program.indexOf('/')
  const match = SERVICE.exec(program.slice(slash + 1))
  if (match !== null) return match[1] === undefined ? 'imap' : 'pop3'
  return slash > 0 || OTHER_SERVICE.test(program) ? 'other' : undefined
}

/** A name with a slash may also be one of Postfix's. */
function parseOther(cursor: Cursor): ParseResult {
  if (!cursor.skip('login: ') && !cursor.skip('event=login.') && !cursor.skip('badlogin: '))
    return foreign(TITLE, cursor.line)
  return cursor.fail('ordinary', `${cursor.line.program} is not POP3 or IMAP`)
}

/** `host [address] user plaintext+TLS User logged in SESSIONID=<id>`. */
function parseProse(cursor: Cursor, service: Service): ParseResult {
  if (cursor.text.length > LONGEST_MESSAGE) return cursor.fail('suspect', 'so long that it may be cut')
  const address = takeClient(cursor)
  if (typeof address !== 'string') return address
  if (!cursor.skip(' ')) return cursor.fail('suspect', 'the address does not end here')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (isAnonymous(user)) return cursor.fail('ordinary', 'an anonymous login proves nothing')
  if (!cursor.skip(' ')) return cursor.fail('suspect', 'the user name does not end here')
  const mechanism = takeMechanism(cursor)
  if (mechanism === undefined) return cursor.fail('suspect', 'no mechanism')
  const trouble = mechanismTrouble(mechanism)
  if (trouble !== undefined) return cursor.fail('ordinary', trouble)
  const isSecured = cursor.skip('+TLS')
  const end = parseEnd(cursor, service, mechanism)
  if (typeof end !== 'string') return end
  const tls = isSecured || end === 'with id' ? { tls: isSecured } : {}
  return { kind: 'login', login: { user, address, service, ...tls, ...sessionOf(cursor.line) } }
}

/** What follows the mechanism: nothing in old versions, the words, the words and an id. */
function parseEnd(cursor: Cursor, service: Service, mechanism: string): 'without id' | 'with id' | ParseResult {
  const isWordless = cursor.ended || cursor.text.length === cursor.at + 1
  if (!cursor.skip(' User logged in')) {
    if (cursor.skip(' sasl code=0') && cursor.ended) return cursor.fail('ordinary', 'told before the login itself')
    if (!isWordless || service === 'any' || mechanism !== 'plaintext')
      return cursor.fail('suspect', 'not the words of a success')
    return cursor.ended || cursor.skip(' ') ? 'without id' : cursor.fail('suspect', 'text after the mechanism')
  }
  if (cursor.ended) {
    return service === 'any'
      ? cursor.fail('ordinary', 'the tag does not tell the service: it may be any of Cyrus')
      : 'without id'
  }
  if (!cursor.skip(' SESSIONID=<')) return cursor.fail('suspect', 'text after the words of success')
  const start = cursor.at
  if (!cursor.pass(SESSION, LONGEST_SESSION)) return cursor.fail('suspect', 'not a session id')
  cursor.note('session', start)
  if (!cursor.skip('>') || !cursor.ended) return cursor.fail('suspect', 'text after the session id')
  if (service !== 'any' || MAIL_MECHANISMS.has(mechanism.toUpperCase())) return 'with id'
  return cursor.fail('ordinary', `the tag does not tell the service, and ${mechanism} may be one of HTTP`)
}

function takeMechanism(cursor: Cursor): string | undefined {
  return cursor.take(MECHANISM, 40, 'mechanism')
}

/** `USAGE alice user: 0.000000 sys: 0.002435`: the end of a session; lmtpd tells the same of each delivery. */
function parseUsage(cursor: Cursor, service: Service): ParseResult {
  if (service === 'any') return cursor.fail('ordinary', 'the tag does not tell the service: it may be a delivery')
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (
    !cursor.skip(' user: ') ||
    !passSeconds(cursor) ||
    !cursor.skip(' sys: ') ||
    !passSeconds(cursor) ||
    !cursor.ended
  ) {
    return cursor.fail('suspect', 'not the times that a session took')
  }
  const { session } = sessionOf(cursor.line)
  if (session === undefined) return cursor.fail('ordinary', 'no process id to tell the session by')
  return { kind: 'logout', user, service, session }
}

function passSeconds(cursor: Cursor): boolean {
  return cursor.pass(DIGITS, 20) && cursor.skip('.') && cursor.pass(DIGITS, 6)
}
