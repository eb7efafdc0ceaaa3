/**
 * RFC 5424 syslog lines, version 1, also with the priority stripped, or priority and version (sysklogd 2 in its own files). Left out: lines
 * without a time (NILVALUE), which prove nothing.
 */
import type { LogLine } from '../core/log-line.ts'
import type { Unreadable } from './envelope.ts'
import { readTime, type TimeField } from './time-field.ts'

const VERSION = /1 (?=\d{4}-\d\d-\d\dT|- )/y
const HOST = /([!-~]{1,255}) /y
const PROGRAM = /([!-~]{1,48}) /y
const PROCESS = /([!-~]{1,128}) /y
const MESSAGE_ID = /[!-~]{1,32} /y
const ELEMENT_NAME = /\[[!#-<>-\\^-~]{1,64}/y
const PARAMETER = / [!#-<>-\\^-~]{1,64}="(?:[^"\\]|\\.)*"/y
/** Host, program, process and message id, of which the last two tell such a line from others. */
const VERSIONLESS = /[!-~]{1,255} [^\s:[\]]{1,48} (?:\d{1,10}|-) [!-~]{1,32} (?=- |\[)/y
const BYTE_ORDER_MARK = '\ufeff'

/** The line whose version number stands at `at`; undefined where it is not of RFC 5424. */
export function readStructuredLine(raw: string, at: number): LogLine | Unreadable | undefined {
  if (raw[at] !== '1' || raw[at + 1] !== ' ') return undefined
  VERSION.lastIndex = at
  if (!VERSION.test(raw)) return undefined
  const time = readTime(raw, VERSION.lastIndex)
  if (time === undefined) return { unreadable: 'no time in an RFC 5424 line', column: VERSION.lastIndex }
  return readBehindTime(raw, time)
}

/** `2026-11-22T13:35:56.544306+01:00 host program 304 - - text`: the line whose host stands behind `time`; undefined where it is none. */
export function readVersionlessLine(raw: string, time: TimeField): LogLine | undefined {
  if (time.style !== 'iso' || time.time.kind !== 'absolute') return undefined
  VERSIONLESS.lastIndex = time.end
  if (!VERSIONLESS.test(raw)) return undefined
  const line = readBehindTime(raw, time)
  return 'unreadable' in line ? undefined : line
}

function readBehindTime(raw: string, time: TimeField): LogLine | Unreadable {
  const header = readHeader(raw, time.end)
  if (header === undefined) return { unreadable: 'not the header of an RFC 5424 line', column: time.end }
  const dataEnd = skipStructuredData(raw, header.end)
  if (dataEnd === undefined) return { unreadable: 'structured data that does not end', column: header.end }
  const messageColumn = skipToText(raw, dataEnd)
  const line = {
    envelope: 'rfc5424' as const,
    time: time.time,
    host: header.host,
    program: cutPath(header.program),
    message: raw.slice(messageColumn),
    raw,
    messageColumn,
  }
  return /^\d{1,10}$/.test(header.process) ? { ...line, pid: Number(header.process) } : line
}

interface Header {
  readonly host: string
  readonly program: string
  readonly process: string
  readonly end: number
}

function readHeader(raw: string, at: number): Header | undefined {
  let end = at
  const fields: string[] = []
  for (const pattern of [HOST, PROGRAM, PROCESS, MESSAGE_ID]) {
    pattern.lastIndex = end
    const match = pattern.exec(raw)
    if (match === null) return undefined
    end = pattern.lastIndex
    fields.push(match[1] ?? '')
  }
  const [host, program, process] = fields as [string, string, string]
  return { host: host === '-' ? '' : host, program, process, end }
}

function cutPath(program: string): string {
  return program.startsWith('/') ? program.slice(program.lastIndexOf('/') + 1) : program
}

/** The column behind `-` or behind the last element `[id name="value" ...]`, in which `\"`, `\\` and `\]` stand for themselves. */
function skipStructuredData(raw: string, at: number): number | undefined {
  if (raw[at] === '-') return raw[at + 1] === ' ' ? at + 1 : undefined
  let end = at
  while (raw[end] === '[') {
    ELEMENT_NAME.lastIndex = end
    if (!ELEMENT_NAME.test(raw)) return undefined
    end = ELEMENT_NAME.lastIndex
    for (PARAMETER.lastIndex = end; PARAMETER.test(raw); ) end = PARAMETER.lastIndex
    if (raw[end] !== ']') return undefined
    end++
  }
  return end > at && raw[end] === ' ' ? end : undefined
}

/** rsyslog keeps the blank that stood before the text in the old format, so there may be two. */
function skipToText(raw: string, at: number): number {
  const blanks = raw[at + 1] === ' ' ? 2 : 1
  return at + blanks + (raw.startsWith(BYTE_ORDER_MARK, at + blanks) ? 1 : 0)
}
