/**
 * Takes a line out of its envelope: RFC 3164 syslog and what daemons make of it (syslog-header.ts), the same with other times (time-field.ts),
 * RFC 5424, Dovecot's and Qpopper's own files; and a line in a line, as socklog, Docker and Kubernetes write them.
 */
import type { LogLine, LogTime } from '../core/log-line.ts'
import { readStructuredLine, readVersionlessLine } from './rfc5424.ts'
import { makeLine, matchEnd, programName, readMetalog, readSyslogHeader } from './syslog-header.ts'
import { readTime, type TimeField } from './time-field.ts'

export { programName }

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
const OWN_NAME = /([A-Za-z][A-Za-z0-9_.-]{0,31}): /y
/** What Dovecot's mail processes write in front of a line in its own file: `imap(alice)<314><session>: Info: `. */
const MAIL_PROCESS = /(?=(?:imap|pop3|imap-hibernate)\()/y
const POPPER_TRACE = /(?:(\d{4}) )?\[(\d{1,10})\] /y
/** `192.0.2.1: mail.info: ` (socklog inet) and `mail.info: ` (socklog unix). */
const SOCKLOG = /(?:\d{1,3}(?:\.\d{1,3}){3}: )?[a-z0-9]{1,10}\.(?:emerg|alert|crit|err|warning|notice|info|debug): /y
/** Where Kubernetes says which stream a line came from; `P` would be a part of a line. */
const CONTAINER_STREAM = /(?:stdout|stderr) F /y

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
  if (time !== undefined) {
    const line = readAfterTime(raw, time) ?? readVersionlessLine(raw, time) ?? readWrapped(raw, time)
    return line ?? { unreadable: 'no host and program name after the time', column: time.end }
  }
  return readNameFirst(raw) ?? { unreadable: 'no time at the start of the line', column: at }
}

function readAfterTime(raw: string, time: TimeField): LogLine | undefined {
  const { end } = time
  return (
    readSyslogHeader(raw, time, end) ??
    readOwnFile(raw, time, end) ??
    readPopperTrace(raw, time, end) ??
    readMetalog(raw, time, end)
  )
}

/** `pop3-login: Info: message`: Dovecot's own file. */
function readOwnFile(raw: string, time: TimeField, start: number): LogLine | undefined {
  OWN_NAME.lastIndex = start
  const name = OWN_NAME.exec(raw)
  if (name !== null) {
    if (matchEnd(SOCKLOG, raw, start) !== undefined) return undefined
    return makeLine(raw, 'own-file', time.time, '', name[1] as string, undefined, OWN_NAME.lastIndex)
  }
  const end = matchEnd(MAIL_PROCESS, raw, start)
  return end === undefined ? undefined : makeLine(raw, 'own-file', time.time, '', 'dovecot', undefined, end)
}

/** `2024 [1208] message` (Qpopper 4) and, behind ctime(3), `[1208] message` (2.2): a trace file of Qpopper, whose times have a year. */
function readPopperTrace(raw: string, time: TimeField, start: number): LogLine | undefined {
  POPPER_TRACE.lastIndex = start
  const trace = POPPER_TRACE.exec(raw)
  if (
    trace === null ||
    time.style !== 'month' ||
    time.time.kind !== 'civil' ||
    (trace[1] === undefined) !== (time.time.year !== undefined)
  )
    return undefined
  const at: LogTime = { ...time.time, year: time.time.year ?? Number(trace[1]) }
  return makeLine(raw, 'own-file', at, '', '', trace[2], POPPER_TRACE.lastIndex)
}

/**
 * A line in a line: `@4000... mail.info: Nov 22 13:35:56 popper[12]: text` (socklog under multilog, svlogd, s6-log), `2026-11-22T12:35:56.1Z
 * stdout F Nov 22 13:35:56 imap-login: Info: text` (Kubernetes), the same without the stream (docker logs -t). The first time counts, as it
 * has a zone. Only one line within another is read.
 */
function readWrapped(raw: string, outer: TimeField): LogLine | undefined {
  if (outer.time.kind !== 'absolute') return undefined
  const isContainer = matchEnd(CONTAINER_STREAM, raw, outer.end)
  const start = isContainer ?? matchEnd(SOCKLOG, raw, outer.end) ?? outer.end
  const inner = readTime(raw, start)
  if (inner !== undefined) return readAfterTime(raw, { ...outer, end: inner.end })
  return isContainer === undefined ? undefined : readOwnFile(raw, outer, start)
}

/** `dovecot: Nov 22 15:22:20 Info: message`: Dovecot before 2.0, where the name stands before the time; `mail.info: Nov 22 ...`: socklog. */
function readNameFirst(raw: string): LogLine | undefined {
  const socklogEnd = matchEnd(SOCKLOG, raw, 0)
  if (socklogEnd !== undefined) {
    const time = readTime(raw, socklogEnd)
    return time === undefined ? undefined : readAfterTime(raw, time)
  }
  OWN_NAME.lastIndex = 0
  const name = OWN_NAME.exec(raw)
  if (name === null) return undefined
  const time = readTime(raw, OWN_NAME.lastIndex)
  if (time === undefined) return undefined
  return makeLine(raw, 'own-file', time.time, '', name[1] as string, undefined, time.end)
}
