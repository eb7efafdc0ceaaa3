/**
 * University of Washington ipop3d and imapd, and Panda IMAP: `Login`, `Admin Login`, `Auth`, `Authenticated` and `APOP` lines, and the ends
 * of sessions (ipop3d.c 1996 to 2013, imapd.c). The server cuts each field after 80 characters. Left out: anonymous and pre-authenticated
 * sessions, logins passed on to another host, `Mailbox closed (text)`, lines whose `host=` has no address.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { type CommonMatch, commonForm, FIELD, FIRST_FIELD, TAG } from '../common-form.ts'
import { Cursor, charSet, charsExcept, DIGITS, HOST_NAME } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

type Service = 'pop3' | 'imap'
type Unmatched = Extract<ParseResult, { kind: 'none' }>

const TITLE = 'UW ipop3d and imapd'
const POP3_PROGRAMS = ['ipop3d', 'ipop3s', 'ipop3sd', 'pop3d', 'pop3s', 'in.ipop3d', 'in.pop3d']
const IMAP_PROGRAMS = ['imapd', 'imaps', 'imapsd', 'imap', 'in.imapd', 'uw-imapd']
const SERVICES = new Map<string, Service>([
  ...POP3_PROGRAMS.map((name) => [name, 'pop3'] as const),
  ...IMAP_PROGRAMS.map((name) => [name, 'imap'] as const),
])
const PROCESSES = new Set(SERVICES.keys())
const SUCCESSES = ['Login user=', 'Authenticated user=', 'Auth user=', 'APOP user=']
const VERBS = ['Login', 'Authenticated', 'Auth', 'APOP', 'Admin Login']
/** Why sessions end, but for trouble with the connection, told as `Connection reset by peer, while reading line`. */
const ENDS = ['Logout', 'Autologout', 'Killed (lost mailbox lock)', 'Killed (terminated)', 'Killed', 'Hangup']
const TROUBLE = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ,')
/** Stands in place of the user of a session in which none was named. */
const NOBODY = '???'
const USER = charsExcept('=<>"[] ')
const MECHANISM = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
/** ipop3d passes a session on to whatever host the client names (`USER host:name`), and then logs what that host says, word for word. */
const PASSED_ON = 'IMAP login to host='
/** How long that is heeded. A client can keep the session as long as he likes, but process ids come again. */
const PASSED_ON_REACH_MS = 7 * 24 * 3600 * 1000
/** `%.80s`: a field of this length may be cut, and a cut host field may end in what its owner chose. */
const CUT_LENGTH = 80

/** Far from the length at which a field may be cut. */
const SHORT_USER = '([A-Za-z0-9_.@+-]{1,40})'
const SHORT_HOST = '[A-Za-z0-9._-]{1,40}'

/** The parser for UW ipop3d and imapd. */
export const uwImap: Parser = {
  id: 'uw-imap',
  title: TITLE,
  // The last is no login: behind it a client may write whole lines.
  literals: [...SUCCESSES, PASSED_ON],
  logoutLiterals: ['ogout user=', 'Killed user=', 'Killed (', 'Hangup user=', ' while '],
  forgeryMarks: ['Login user='],
  sample: [
    'Nov 22 14:20:04 mx1 ipop3d[290]: Login user=carol host=roaming.example.com [::ffff:203.0.113.42] nmsgs=1/1',
  ],
  common: commonForm(
    'ipop3d|imapd',
    `Login user=${SHORT_USER} host=(?:${SHORT_HOST} )?\\[(?:::ffff:)?${FIELD.ipv4}\\](?: nmsgs=\\d{1,9}/\\d{1,9})?`,
    readCommon,
    'with header',
  ),
  parse,
}

function readCommon(match: CommonMatch): ParsedLogin | undefined {
  const user = match[FIRST_FIELD] as string
  const address = parseLoggedAddress(match[FIRST_FIELD + 1] as string)
  return address === undefined ? undefined : { user, address, service: match[TAG] === 'imapd' ? 'imap' : 'pop3' }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const service = SERVICES.get(line.program)
  if (service === undefined) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (cursor.skipOneOf(VERBS) !== undefined && cursor.skip(' user=')) return parseLogin(cursor, service)
  cursor.at = 0
  if (cursor.skip(PASSED_ON)) {
    const reason = 'passed on to a host that the client chose, whose words this process logs from now on'
    return { kind: 'cut', reason, reachMs: PASSED_ON_REACH_MS }
  }
  if (skipEnd(cursor)) return parseLogout(cursor, service)
  // A literal stands in the line, but not here: somebody logs in with a name that looks like a login.
  const mismatch = SUCCESSES.some((literal) => cursor.text.includes(literal)) ? 'suspect' : 'ordinary'
  return cursor.fail(mismatch, 'not a success line')
}

/** `Login user=alice host=name [198.51.100.7] nmsgs=1/2`, behind `user=`. */
function parseLogin(cursor: Cursor, service: Service): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('suspect', 'no user name, or one that may be cut')
  if (cursor.skip(' auth=') && !cursor.pass(USER, CUT_LENGTH - 1)) return cursor.fail('suspect', 'no name after auth=')
  const address = parseHost(cursor)
  if (typeof address !== 'string') return address
  if (!skipTrailer(cursor) || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service } }
}

/** `Logout user=alice host=name [198.51.100.7]`, behind `user=`. The name is the one that was tried last, logged in or not. */
function parseLogout(cursor: Cursor, service: Service): ParseResult {
  const user = takeUser(cursor)
  if (user === undefined) return cursor.fail('ordinary', 'no user name, or one that may be cut')
  if (user === NOBODY) return cursor.fail('ordinary', 'the session of nobody')
  const address = parseHost(cursor)
  if (typeof address !== 'string') return { ...address, mismatch: 'ordinary' }
  if (!cursor.ended) return cursor.fail('ordinary', 'text after the address')
  return { kind: 'logout', user, service, address }
}

/** `Autologout user=`, `Connection reset by peer, while reading line user=`. */
function skipEnd(cursor: Cursor): boolean {
  for (const end of ENDS) {
    if (cursor.skip(end) && cursor.skip(' user=')) return true
    cursor.at = 0
  }
  const trouble = cursor.take(TROUBLE, 2 * CUT_LENGTH)
  return trouble?.includes(' while ') === true && trouble.endsWith(' user') && cursor.skip('=')
}

function takeUser(cursor: Cursor): string | undefined {
  return cursor.take(USER, CUT_LENGTH - 1, 'user')
}

/** ` host=name [198.51.100.7]` or ` host=[198.51.100.7]`; the name is the client's, the address the kernel's. */
function parseHost(cursor: Cursor): ClientAddress | Unmatched {
  if (!cursor.skip(' host=')) return cursor.fail('suspect', 'no host= after the user name')
  const start = cursor.at
  const host = cursor.take(HOST_NAME, CUT_LENGTH - 1, 'host')
  if (!cursor.skip(host === undefined ? '[' : ' [')) {
    return cursor.fail(host === 'UNKNOWN' ? 'ordinary' : 'suspect', 'no address in brackets')
  }
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']')) return cursor.fail('suspect', 'the address does not end here')
  return cursor.at - start < CUT_LENGTH ? address : cursor.fail('suspect', 'the host field may be cut')
}

/** ` nmsgs=1/2` and ` no mailbox` (ipop3d), ` mech=PLAIN` (imapd), or nothing. */
function skipTrailer(cursor: Cursor): boolean {
  if (cursor.skip(' nmsgs=')) {
    return cursor.pass(DIGITS, 20) && cursor.skip('/') && cursor.pass(DIGITS, 20)
  }
  if (cursor.skip(' mech=')) return cursor.pass(MECHANISM, CUT_LENGTH)
  cursor.skip(' no mailbox')
  return true
}
