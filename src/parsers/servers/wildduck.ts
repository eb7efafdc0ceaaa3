/**
 * WildDuck 1.x with `log.gelf.enabled = false` (the default): the GELF record `[AUTHOK]` that lib/user-handler.js writes for a login goes to
 * the output of the process as `info Gelf {...}`, printed by npmlog, which puts its prefix in front of every line. Read from a file of
 * that output, or out of syslog or journald under the name `wildduck...`. Left out: other scopes (smtp, master), records sent to Graylog.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor } from '../cursor.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'WildDuck'
const SUCCESS = '[AUTHOK] '
const PREFIX = 'info Gelf '
/** `wildduck-server` (WildDuck's own unit), `wildduck`, and containers named so; older Docker puts `docker/` in front. */
const PROGRAM = /^(?:docker\/)?wildduck[A-Za-z0-9_.-]{0,48}$/
const PROCESSES = new Set(['node', 'nodejs', 'wildduck', 'dockerd', 'conmon', 'podman', 'containerd-shim-runc-v2'])
const UNITS = new Set(['wildduck.service'])
const SCOPES = new Map<unknown, 'pop3' | 'imap'>([
  ['pop3', 'pop3'],
  ['imap', 'imap'],
])
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/
const LONGEST_USER = 255
/** 2000-01-01 to 2100-01-01, in seconds. */
const EARLIEST_SECONDS = 946_684_800
const LATEST_SECONDS = 4_102_444_800

type GelfRecord = ReadonlyMap<string, unknown>

/** The parser for WildDuck. */
export const wildduck: Parser = {
  id: 'wildduck',
  title: TITLE,
  literals: [SUCCESS],
  forgeryMarks: ['WILDDUCK [AUTHOK] '],
  sample: [
    'info Gelf {"short_message":"WILDDUCK [AUTHOK] alice","_mail_action":"auth","_auth_result":"success","_username":"alice","_domain":"example.com","_user":"6b030579db95c77bbc793d19","_password_type":"master","_scope":"imap","_ip":"198.51.100.7","_sess":"64t6xzwag4oefx53","facility":"wildduck","host":"mx1","timestamp":1795360189.628,"_component":"wildduck"}',
  ],
  openLine,
  parse,
}

/** The output itself says no time but that in the record. */
function openLine(raw: string): LogLine | undefined {
  if (!raw.startsWith(`${PREFIX}{`)) return undefined
  const seconds = readRecord(raw.slice(PREFIX.length))?.get('timestamp')
  if (typeof seconds !== 'number' || seconds < EARLIEST_SECONDS || seconds > LATEST_SECONDS) return undefined
  const time = { kind: 'absolute', atMs: Math.round(seconds * 1000) } as const
  return { envelope: 'own-file', time, host: '', program: 'wildduck', message: raw, raw, messageColumn: 0 }
}

/**
 * The record of a text that is, byte for byte, what JSON.stringify writes: then no key stands twice, and nothing hides behind an escape that
 * WildDuck would not have written.
 */
function readRecord(text: string): GelfRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return JSON.stringify(value) === text ? new Map(Object.entries(value)) : undefined
  } catch {
    return undefined
  }
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  if (!PROGRAM.test(line.program)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES, UNITS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (!cursor.skip(PREFIX)) return cursor.fail('ordinary', 'not a GELF record')
  const record = readRecord(cursor.text.slice(cursor.at))
  if (record === undefined) return cursor.fail('suspect', 'not one JSON object as WildDuck writes it')
  if (record.get('_auth_result') !== 'success') return cursor.fail('ordinary', 'not a successful login')
  return parseSuccess(cursor, record)
}

function parseSuccess(cursor: Cursor, record: GelfRecord): ParseResult {
  const user = record.get('_username')
  const isUser = typeof user === 'string' && user !== '' && user.length <= LONGEST_USER && !UNPRINTABLE.test(user)
  if (!isUser) return cursor.fail('suspect', 'no user name')
  const component = record.get('_component')
  const isWhole = typeof component === 'string' && component === record.get('facility')
  if (!isWhole || record.get('short_message') !== `${component.toUpperCase()} ${SUCCESS}${user}`) {
    return cursor.fail('suspect', 'the message of the record is not that of its fields')
  }
  const service = SCOPES.get(record.get('_scope'))
  if (service === undefined) return cursor.fail('ordinary', 'a login for neither POP3 nor IMAP')
  const ip = record.get('_ip')
  const address = typeof ip === 'string' ? parseLoggedAddress(ip) : undefined
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  for (const [name, value] of [
    ['_username', user],
    ['_ip', ip],
    ['_scope', service],
  ] as const) {
    noteValue(cursor, name, value as string)
  }
  return { kind: 'login', login: { user, address, service } }
}

/** Notes where `"name":"value"` stands. */
function noteValue(cursor: Cursor, name: string, value: string): void {
  const place = cursor.text.indexOf(`"${name}":"`, cursor.at)
  const start = place + name.length + 4
  const end = cursor.at
  cursor.at = start + JSON.stringify(value).length - 2
  cursor.note(name, start)
  cursor.at = end
}
