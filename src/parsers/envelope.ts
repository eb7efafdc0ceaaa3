/**
 * Takes a line out of its envelope: RFC 3164 syslog (also as journalctl -o short, FreeBSD -v and Solaris write it), the same with ISO
 * 8601 times, RFC 5424, multilog, and the servers' own files. Left out: zones given by letters other than UTC and GMT.
 */
import type { LogLine, LogTime } from '../core/log-line.ts'
import { charSet, charsExcept, runEnd } from './cursor.ts'
import { readStructuredLine } from './rfc5424.ts'
import { readTime, type TimeField } from './time-field.ts'

/** Why a line is in no known envelope, and where (0-based column) that shows. */
export interface Unreadable {
  readonly unreadable: string
  readonly column: number
}

/** Longer lines give nothing unless the scanner is told otherwise: no server writes a login of that length. */
export const LONGEST_LINE_BYTES = 16 * 1024

/** C0 and C1 controls, line and paragraph separators, and the mark that decoders put for bytes that are not UTF-8. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

const NOT_PLAIN = /[^ -~]/

const PRIORITY = /<(?:\d|[1-9]\d|1[0-8]\d|19[01])>/y
const FREEBSD_FACILITY = /<[a-z0-9]{1,10}\.[a-z0-9]{1,10}> /y
const SOLARIS_ID = /\[ID \d{1,10} [a-z0-9]{1,10}\.[a-z]{1,10}\] /y
const PROCESS_ID = /\[(\d{1,10})\]/y
const HOST = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@%[]-')
const TAG = charsExcept(' []:"<>()')
const LONGEST_HOST = 255
const LONGEST_TAG = 64
const OWN_NAME = /([A-Za-z][A-Za-z0-9_.-]{0,31}): /y
/** What Dovecot's mail processes write in front of a line in its own file: `imap(alice)<314><session>: Info: `. */
const MAIL_PROCESS = /(?=(?:imap|pop3|imap-hibernate)\()/y
const POPPER_TRACE = /(?:(\d{4}) )?\[(popper|\d{1,10})\] /y

/** True for text of printable ASCII characters only, which {@link readPlainLine} asks for. */
export function isPlain(text: string): boolean {
  return !NOT_PLAIN.test(text)
}

/** The line in its parts, or why it is none that any server writes. `raw` is without its line end. */
export function readLine(raw: string): LogLine | Unreadable {
  const control = raw.search(UNPRINTABLE)
  if (control >= 0) return { unreadable: 'a control character, or bytes that are not UTF-8', column: control }
  return readPlainLine(raw)
}

/** The same for a line that holds no control characters, as its caller knows. */
export function readPlainLine(raw: string): LogLine | Unreadable {
  const at = raw[0] === '<' ? (matchEnd(PRIORITY, raw, 0) ?? 0) : 0
  const structured = readStructuredLine(raw, at)
  if (structured !== undefined) return structured
  const time = readTime(raw, at)
  if (time !== undefined)
    return readAfterTime(raw, time) ?? { unreadable: 'no host and program name after the time', column: time.end }
  return readNameFirst(raw) ?? { unreadable: 'no time at the start of the line', column: at }
}

/** The program name of a tag: a path is cut, `/usr/sbin/popper` is `popper`; a name such as `postfix/smtpd` stays whole. */
export function programName(tag: string): string {
  return tag.startsWith('/') ? tag.slice(tag.lastIndexOf('/') + 1) : tag
}

function readAfterTime(raw: string, time: TimeField): LogLine | undefined {
  const start = raw[time.end] === '<' ? (matchEnd(FREEBSD_FACILITY, raw, time.end) ?? time.end) : time.end
  return readTagged(raw, time, start) ?? readOwnFile(raw, time, start) ?? readPopperTrace(raw, time, start)
}

/** `host program[pid]: message`. */
function readTagged(raw: string, time: TimeField, start: number): LogLine | undefined {
  const hostEnd = runEnd(HOST, raw, start)
  if (hostEnd === start || hostEnd > start + LONGEST_HOST || raw[hostEnd] !== ' ' || raw[hostEnd - 1] === ':')
    return undefined
  const tagStart = hostEnd + 1
  const tagEnd = runEnd(TAG, raw, tagStart)
  if (tagEnd === tagStart || tagEnd > tagStart + LONGEST_TAG) return undefined
  let end = tagEnd
  let pid: string | undefined
  if (raw[end] === '[') {
    PROCESS_ID.lastIndex = end
    pid = PROCESS_ID.exec(raw)?.[1]
    if (pid === undefined) return undefined
    end = PROCESS_ID.lastIndex
  }
  if (raw[end] !== ':' || raw[end + 1] !== ' ') return undefined
  end += 2
  if (raw[end] === '[') end = matchEnd(SOLARIS_ID, raw, end) ?? end
  const envelope = time.style === 'iso' ? 'iso8601' : 'syslog3164'
  return makeLine(
    raw,
    envelope,
    time.time,
    raw.slice(start, hostEnd),
    programName(raw.slice(tagStart, tagEnd)),
    pid,
    end,
  )
}

/** `pop3-login: Info: message`: Dovecot's own file. */
function readOwnFile(raw: string, time: TimeField, start: number): LogLine | undefined {
  OWN_NAME.lastIndex = start
  const name = OWN_NAME.exec(raw)
  if (name === null) {
    const end = matchEnd(MAIL_PROCESS, raw, start)
    return end === undefined ? undefined : makeLine(raw, 'own-file', time.time, '', 'dovecot', undefined, end)
  }
  return makeLine(raw, 'own-file', time.time, '', name[1] as string, undefined, OWN_NAME.lastIndex)
}

/** `[popper] message` and, in a trace file, `2024 [1208] message`. */
function readPopperTrace(raw: string, time: TimeField, start: number): LogLine | undefined {
  POPPER_TRACE.lastIndex = start
  const trace = POPPER_TRACE.exec(raw)
  if (trace === null) return undefined
  const [, year, name] = trace
  const isNamed = name === 'popper'
  if (isNamed !== (year === undefined)) return undefined
  const at: LogTime =
    year !== undefined && time.time.kind === 'civil' ? { ...time.time, year: Number(year) } : time.time
  return makeLine(raw, 'own-file', at, '', isNamed ? 'popper' : '', isNamed ? undefined : name, POPPER_TRACE.lastIndex)
}

/** `dovecot: Nov 22 15:22:20 Info: message`: Dovecot before 2.0, where the name stands before the time. */
function readNameFirst(raw: string): LogLine | undefined {
  OWN_NAME.lastIndex = 0
  const name = OWN_NAME.exec(raw)
  if (name === null) return undefined
  const time = readTime(raw, OWN_NAME.lastIndex)
  if (time === undefined) return undefined
  return makeLine(raw, 'own-file', time.time, '', name[1] as string, undefined, time.end)
}

function makeLine(
  raw: string,
  envelope: LogLine['envelope'],
  time: LogTime,
  host: string,
  program: string,
  pid: string | undefined,
  messageColumn: number,
): LogLine {
  const message = raw.slice(messageColumn)
  if (pid === undefined) return { envelope, time, host, program, message, raw, messageColumn }
  return { envelope, time, host, program, pid: Number(pid), message, raw, messageColumn }
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}
