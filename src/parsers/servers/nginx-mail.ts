/**
 * nginx mail proxy, 0.6 to 1.29: `client logged in` in its error log at level info, in a file or through syslog. After nginx's
 * `ngx_log_error_core` (src/core/ngx_log.c), `ngx_mail_log_error` (src/mail/ngx_mail_handler.c) and `ngx_syslog_add_header`. The same line
 * is written for SMTP: only the port of the server, or that behind the proxy, tells. Left out: ports that tell nothing, Unix sockets.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'
import { readTime, type TimeField } from '../time-field.ts'

const TITLE = 'nginx mail proxy'
/** The tag of syslog is `nginx`, or what `tag=` of `error_log` says: letters, digits and underscores. */
const PROGRAM = /^nginx\w{0,27}$/
const PROCESSES = new Set(['nginx'])
const UNITS = new Set(['nginx.service'])
const LOGGED_IN = 'client logged in, client: '
const CONNECTED = ' connected to '

const HEADER = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d:\d\d:\d\d) (?=\[)/
const WORKER = /^\[info\] (\d{1,10})#\d{1,20}: \*(\d{1,20}) /
/** nginx puts the name of the host before its tag, which a local syslog takes for the tag: `Nov 22 14:31:19 mx1 mx1 nginx: ...`. */
const NAMED_TWICE = /^([A-Za-z0-9._-]{1,255}) \1 (nginx\w{0,27}): (?=\d{4}\/)/
const PRIORITY = /^<\d{1,3}>/
const USER = charsExcept('"')
const LONGEST_USER = 255
/** `192.0.2.25:110`, `[2001:db8::25]:143`; behind the proxy also a name. */
const ENDPOINT = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:[]')
const LONGEST_ENDPOINT = 270

type PortKind = 'pop3' | 'imap' | 'smtp'
const PORTS = new Map<string, PortKind>([
  ['110', 'pop3'],
  ['995', 'pop3'],
  ['143', 'imap'],
  ['993', 'imap'],
  ['25', 'smtp'],
  ['465', 'smtp'],
  ['587', 'smtp'],
  ['2525', 'smtp'],
])

/** The parser for the nginx mail proxy. */
export const nginxMail: Parser = {
  id: 'nginx-mail',
  title: TITLE,
  literals: [LOGGED_IN, CONNECTED],
  forgeryMarks: [LOGGED_IN],
  sample: [
    '2026/11/22 14:31:19 [info] 282#282: *1 client logged in, client: 198.51.100.7, server: 192.0.2.25:110, login: "alice", upstream: 192.0.2.26:110',
  ],
  openLine,
  parse,
}

/** `2026/11/22 14:31:19 [info] ...`, or a line of syslog with the host twice. The message starts at the level in the one, at the date in the other. */
function openLine(raw: string): LogLine | undefined {
  const header = HEADER.exec(raw)
  if (header === null) return openNamedTwice(raw)
  const [all, year, month, day, clock] = header
  const time = readTime(`${year}-${month}-${day} ${clock} `, 0)?.time
  if (time === undefined) return undefined
  const messageColumn = all.length
  return {
    envelope: 'own-file',
    time,
    host: '',
    program: 'nginx',
    message: raw.slice(messageColumn),
    raw,
    messageColumn,
  }
}

function openNamedTwice(raw: string): LogLine | undefined {
  const time = readTime(raw, PRIORITY.exec(raw)?.[0].length ?? 0)
  if (time === undefined || time.style === 'tai64n') return undefined
  const names = NAMED_TWICE.exec(raw.slice(time.end))
  return names === null ? undefined : namedTwice(raw, time, names)
}

function namedTwice(raw: string, { time, end, style }: TimeField, names: RegExpExecArray): LogLine {
  const messageColumn = end + names[0].length
  const envelope = style === 'iso' ? 'iso8601' : 'syslog3164'
  const [, host = '', program = ''] = names
  return { envelope, time, host, program, message: raw.slice(messageColumn), raw, messageColumn }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  // RFC 5424 with the host for the program: the tag stands at the start of the message.
  const hasTagInside = line.envelope === 'rfc5424' && line.program === line.host && line.message.startsWith('nginx: ')
  if (!hasTagInside && !PROGRAM.test(line.program)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES, UNITS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (hasTagInside) cursor.skip('nginx: ')
  if (line.envelope !== 'own-file') {
    const header = HEADER.exec(cursor.text.slice(cursor.at))
    if (header === null) return cursor.fail(suspicion(line), 'no time of nginx')
    cursor.at += header[0].length
  }
  const worker = WORKER.exec(cursor.text.slice(cursor.at, cursor.at + 80))
  if (worker === null) return cursor.fail(suspicion(line), 'no level info, worker and connection')
  cursor.at += worker[0].length
  const session = mayBeBroken(line) ? `${worker[1]}*${worker[2]}` : undefined
  if (cursor.skip(LOGGED_IN)) return parseLogin(cursor, session)
  return parseConnection(cursor, session)
}

/**
 * nginx writes line feeds of user names as they are. In its own file the rest is a line of its own, and so it is where something reads its
 * standard error and passes it on line by line, with a process id (systemd, Docker). What nginx itself sends to a syslog has none, and syslog
 * joins or escapes it.
 */
function mayBeBroken({ envelope, pid }: LogLine): boolean {
  return envelope === 'own-file' || pid !== undefined
}

function suspicion(line: LogLine): 'ordinary' | 'suspect' {
  return line.message.includes(LOGGED_IN) ? 'suspect' : 'ordinary'
}

/** `client 198.51.100.7:32875 connected to 192.0.2.25:110`. The address may be that of a balancer in front, so it does not count. */
function parseConnection(cursor: Cursor, session: string | undefined): ParseResult {
  const isConnection =
    cursor.skip('client ') &&
    cursor.pass(ENDPOINT, LONGEST_ENDPOINT) &&
    cursor.skip(CONNECTED) &&
    cursor.pass(ENDPOINT, LONGEST_ENDPOINT) &&
    cursor.ended
  if (isConnection && session !== undefined) return { kind: 'announce', session }
  return cursor.fail(isConnection ? 'ordinary' : suspicion(cursor.line), 'not a success line')
}

/** `198.51.100.7 using starttls, server: 192.0.2.25:110, login: "alice", upstream: 192.0.2.26:110`. */
function parseLogin(cursor: Cursor, session: string | undefined): ParseResult {
  const address = takeAddress(cursor, 'client')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  const hasStartedTls = cursor.skip(' using starttls')
  const server = takeEndpoint(cursor, ', server: ', 'server')
  if (server === undefined) return cursor.fail('suspect', 'no address and port of the server')
  if (!cursor.skip(', login: "')) return cursor.fail(kindOf(server) === 'smtp' ? 'ordinary' : 'suspect', 'no login')
  const user = cursor.take(USER, LONGEST_USER, 'login')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip('"')) return cursor.fail('suspect', 'the user name does not end here')
  const upstream = takeEndpoint(cursor, ', upstream: ', 'upstream')
  if (upstream === undefined || !cursor.ended) return cursor.fail('suspect', 'the line does not end with the upstream')
  const service = serviceOf(kindOf(server), kindOf(upstream))
  if (service === undefined) return cursor.fail('ordinary', 'SMTP, or ports that do not tell the service')
  const login = hasStartedTls ? { user, address, service, tls: true } : { user, address, service }
  return { kind: 'login', login: session === undefined ? login : { ...login, session } }
}

function takeEndpoint(cursor: Cursor, key: string, name: string): string | undefined {
  if (!cursor.skip(key)) return undefined
  return cursor.take(ENDPOINT, LONGEST_ENDPOINT, name)
}

function kindOf(endpoint: string): PortKind | undefined {
  const colon = endpoint.lastIndexOf(':')
  return colon < 0 ? undefined : PORTS.get(endpoint.slice(colon + 1))
}

/** Whatever either port says must be POP3 or IMAP, and where both say something, the same. */
function serviceOf(server: PortKind | undefined, upstream: PortKind | undefined): 'pop3' | 'imap' | undefined {
  const told = server ?? upstream
  if (told === undefined || told === 'smtp') return undefined
  return upstream === undefined || upstream === told ? told : undefined
}
