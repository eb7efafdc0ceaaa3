/**
 * Dovecot 0.99 to 2.4, pop3-login and imap-login, also as proxies (client-common.c, client-common-auth.c). `login_log_format` must begin with
 * the message (the default). Left out: other login services, anonymous logins, clients of local sockets, which have no address.
 */
import type { LogLine } from '../../core/log-line.ts'
import { type CommonMatch, commonForm, FIELD } from '../common-form.ts'
import { Cursor, charSet, charsExcept, HOST_NAME } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'
import { readElements } from './dovecot-elements.ts'
import { isMailProcess, LOGOUT_LITERALS, parseMailProcess } from './dovecot-logout.ts'

type Service = 'pop3' | 'imap'

const TITLE = 'Dovecot'
const SUCCESS = ['Login: ', 'Logged in: ']
const SERVICES = new Map<string, Service>([
  ['pop3-login', 'pop3'],
  ['imap-login', 'imap'],
])
const PROCESSES = new Set(['dovecot', 'log', 'pop3-login', 'imap-login'])
/** Its name in syslog is the setting `instance_name`; where there are several, they are called so by custom. */
const INSTANCE = 'dovecot-'

const SERVICE_NAME = charSet('abcdefghijklmnopqrstuvwxyz0123456789-')
const OLD_USER = charsExcept('<>[]" ')
const PROXIED_USER = charsExcept('<>(), ')
const DURATION = charSet('0123456789., seconrt')
const LONGEST_USER = 255
const LONGEST_HOST = 255
/** Old syslogs cut lines at 1024 bytes with all that stands before the message. A name made to fill that would push the true address out. */
const LONGEST_MESSAGE = 800

/** The parser for Dovecot. */
export const dovecot: Parser = {
  id: 'dovecot',
  title: TITLE,
  // The last of `Started proxying to`: x is rare in logs.
  literals: [...SUCCESS, 'xying to '],
  logoutLiterals: LOGOUT_LITERALS,
  forgeryMarks: ['Login: user=<', 'Logged in: user=<'],
  sample: [
    'Nov 22 13:42:37 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=314, session=<b4J/pt1gF6rGM2QH>',
  ],
  common: commonForm(
    'dovecot',
    `(imap|pop3)-login: (?:Login|Logged in): user=<${FIELD.user}>, method=(?:PLAIN|LOGIN|CRAM-MD5|SCRAM-SHA-256|XOAUTH2), rip=${FIELD.ipv4}, ` +
      'lip=[0-9a-f.:]{2,45}, mpid=\\d{1,10}(, TLS|, secured)?(?:, session=<([A-Za-z0-9+/]{8,40})>)?',
    readCommon,
  ),
  parse,
}

function readCommon(match: CommonMatch): ParsedLogin | undefined {
  const [service, user] = [match[1] as Service, match[2] as string]
  const address = parseLoggedAddress(match[3] as string)
  if (address === undefined) return undefined
  const tls = match[4] === ', TLS'
  const session = match[5]
  return session === undefined ? { user, address, service, tls } : { user, address, service, tls, session }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const oldStyle = SERVICES.get(line.program)
  if (!isNamed(line) && oldStyle === undefined && !isUnnamed(line)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  cursor.skip('Info: ')
  if (oldStyle !== undefined) return parseOwnTag(cursor, oldStyle)
  const start = cursor.at
  const name = cursor.take(SERVICE_NAME, 40)
  if (name === undefined || cursor.text[cursor.at] === '(') {
    cursor.at = start
    if (isMailProcess(cursor)) return parseMailProcess(cursor)
  }
  if (name === undefined || !cursor.skip(': '))
    return cursor.fail(suspicion(line), 'no login process in front of the text')
  const service = SERVICES.get(name)
  if (service === undefined && name.endsWith('-login')) return cursor.fail('ordinary', `${name} is not POP3 or IMAP`)
  if (service === undefined) return cursor.fail(suspicion(line), `${name} is not a login process`)
  cursor.skip('Info: ')
  return parseSuccess(cursor, service)
}

function isNamed({ program }: LogLine): boolean {
  return program === 'dovecot' || program.startsWith(INSTANCE)
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
function parseOwnTag(cursor: Cursor, service: Service): ParseResult {
  if (cursor.line.envelope === 'own-file' && cursor.text.includes('user=')) return parseSuccess(cursor, service)
  return parseVersion0(cursor, service)
}

/** `Login: alice [198.51.100.7]`. */
function parseVersion0(cursor: Cursor, service: Service): ParseResult {
  if (!cursor.skip('Login: ')) return cursor.fail(suspicion(cursor.line), 'not a success line')
  const user = cursor.take(OLD_USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip(' [')) return cursor.fail('suspect', 'no address after the user name')
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service } }
}

/** The success line of every other version, behind the name of the login process. */
function parseSuccess(cursor: Cursor, service: Service): ParseResult {
  if (cursor.skipOneOf(SUCCESS) !== undefined) return parseElements(cursor, service)
  if (cursor.text.startsWith('proxy(', cursor.at)) return parseProxied(cursor, service)
  return cursor.fail(suspicion(cursor.line), 'not a success line')
}

/**
 * `proxy(alice,192.0.2.26:143): Started proxying to remote host (0.022 secs): user=<alice>, ...`: the server behind accepted the login. Address
 * and user are the client's.
 */
function parseProxied(cursor: Cursor, service: Service): ParseResult {
  const user = takeProxiedUser(cursor)
  if (user === undefined || !skipDestination(cursor)) return cursor.fail(suspicion(cursor.line), 'no start of proxying')
  const result = parseElements(cursor, service)
  if (result.kind !== 'login' || result.login.user === user) return result
  return cursor.fail('suspect', 'proxy( and user= name different users')
}

function takeProxiedUser(cursor: Cursor): string | undefined {
  if (!cursor.skip('proxy(')) return undefined
  const user = cursor.take(PROXIED_USER, LONGEST_USER)
  if (cursor.skip(',') && !cursor.pass(HOST_NAME, LONGEST_HOST)) return undefined
  return cursor.skip('): ') ? user : undefined
}

/** `started proxying to 192.0.2.26:143/bob (master admin): ` (1.1 to 2.3.10), `Started proxying to <192.0.2.26> (0.059 secs): ` (since). */
function skipDestination(cursor: Cursor): boolean {
  const old = cursor.skip('started proxying to ')
  if (!old && !cursor.skip('Started proxying to ')) return false
  if (old ? !passHostAndPort(cursor) : !skipRemoteHost(cursor)) return false
  if (cursor.skip(' from ') && !cursor.pass(HOST_NAME, LONGEST_HOST)) return false
  if (cursor.skipOneOf(['/', ' as user ']) !== undefined && !cursor.pass(PROXIED_USER, LONGEST_USER)) return false
  if (cursor.skip(' (master ') && !(cursor.pass(PROXIED_USER, LONGEST_USER) && cursor.skip(')'))) return false
  if (cursor.skip(' (') && !(cursor.pass(DURATION, 80) && cursor.skip(')'))) return false
  return cursor.skip(': ')
}

/** `192.0.2.26:143`; a colon that ends it belongs to what follows. */
function passHostAndPort(cursor: Cursor): boolean {
  if (!cursor.pass(HOST_NAME, LONGEST_HOST)) return false
  if (cursor.text[cursor.at - 1] === ':') cursor.at--
  return true
}

function skipRemoteHost(cursor: Cursor): boolean {
  if (cursor.skip('remote host')) return true
  if (!cursor.skip('<') || !cursor.pass(HOST_NAME, LONGEST_HOST) || !cursor.skip('>')) return false
  return !cursor.skip(' (<') || (cursor.pass(HOST_NAME, LONGEST_HOST) && cursor.skip('>)'))
}

function parseElements(cursor: Cursor, service: Service): ParseResult {
  if (cursor.text.length > LONGEST_MESSAGE) return cursor.fail('suspect', 'so long that it may be cut')
  const found = readElements(cursor)
  if ('trouble' in found) return cursor.fail(found.anonymous ? 'ordinary' : 'suspect', found.trouble)
  const { user, address, tls, session } = found
  if (user === undefined) return cursor.fail('suspect', 'no user=<name>')
  if (address === undefined) return cursor.fail('suspect', 'no rip= with the client address')
  if (found.last === 'rip') return cursor.fail('suspect', 'the line ends with the address, which may be cut')
  const login = session === undefined ? { user, address, service, tls } : { user, address, service, tls, session }
  return { kind: 'login', login }
}
