/**
 * One entry of journalctl -o json (systemd's "Journal JSON Format"). `MESSAGE` is a string, or an array of bytes where it is not
 * printable; repeated fields are arrays, fields that are too long are null. What is not a plain message gives nothing.
 */
import type { LineSender, LogLine } from '../core/log-line.ts'
import { programName, type Unreadable } from './envelope.ts'

/** A field that the meaning rests on must stand once: readers of JSON take the last of two without a word. */
const DECISIVE = ['MESSAGE', 'SYSLOG_IDENTIFIER', '__REALTIME_TIMESTAMP', '_UID', '_COMM', '_EXE', '_SYSTEMD_UNIT']
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

/** The entry in its parts, or why it is none. `raw` is one line of JSON. */
export function readJournalEntry(raw: string): LogLine | Unreadable {
  const entry = parseObject(raw)
  if (entry === undefined) return { unreadable: 'not a JSON object', column: 0 }
  const repeated = DECISIVE.find((name) => standsTwice(raw, name))
  if (repeated !== undefined) return { unreadable: `${repeated} stands twice`, column: 0 }
  const message = messageOf(entry.get('MESSAGE'))
  if (message === undefined) return { unreadable: 'MESSAGE is not one text', column: 0 }
  if (UNPRINTABLE.test(message)) return { unreadable: 'a control character in MESSAGE', column: 0 }
  const atMs = timestampMs(entry.get('__REALTIME_TIMESTAMP'))
  if (atMs === undefined) return { unreadable: 'no __REALTIME_TIMESTAMP', column: 0 }
  const pid = numberOf(entry.get('_PID')) ?? numberOf(entry.get('SYSLOG_PID'))
  return {
    envelope: 'journald-json',
    time: { kind: 'absolute', atMs },
    host: textOf(entry.get('_HOSTNAME')) ?? '',
    program: programName(textOf(entry.get('SYSLOG_IDENTIFIER')) ?? ''),
    message,
    raw,
    messageColumn: messageColumn(raw),
    sender: senderOf(entry),
    ...(pid === undefined ? {} : { pid }),
  }
}

/** Own fields only, so that no name reaches a prototype. */
function parseObject(raw: string): Map<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(raw)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return new Map(Object.entries(value))
  } catch {
    return undefined
  }
}

function standsTwice(raw: string, name: string): boolean {
  const key = `"${name}"`
  const first = raw.indexOf(key)
  return first >= 0 && raw.indexOf(key, first + key.length) >= 0
}

/** A text, or an array of bytes that are UTF-8. An array of texts is a field that its sender repeated. */
function messageOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!Array.isArray(value) || value.length === 0) return undefined
  const isByte = (item: unknown) => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= 255
  return value.every(isByte) ? Buffer.from(value as number[]).toString('utf8') : undefined
}

function senderOf(entry: ReadonlyMap<string, unknown>): LineSender {
  const uid = numberOf(entry.get('_UID'))
  const comm = textOf(entry.get('_COMM'))
  const exe = textOf(entry.get('_EXE'))
  // One that is there but no text is a unit of no name: it is not as if there were none.
  const unit = entry.has('_SYSTEMD_UNIT') ? (textOf(entry.get('_SYSTEMD_UNIT')) ?? '') : undefined
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(comm === undefined ? {} : { comm }),
    ...(exe === undefined ? {} : { exe }),
    ...(unit === undefined ? {} : { unit }),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && !UNPRINTABLE.test(value) ? value : undefined
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : undefined
}

/** Microseconds since 1970, as text. */
function timestampMs(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{10,17}$/.test(value) ? Math.floor(Number(value) / 1000) : undefined
}

/** Where the message starts in the JSON text; columns behind a `\"` in it are too small by one each. */
function messageColumn(raw: string): number {
  const match = /"MESSAGE"\s*:\s*"?/.exec(raw)
  return match === null ? 0 : match.index + match[0].length
}
