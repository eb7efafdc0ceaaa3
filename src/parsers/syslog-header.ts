/**
 * `host program[pid]: ` behind the time, as syslog daemons write it: with the priority between host and program (BusyBox, AIX), with the
 * address of the sender behind the host (rsyslog templates), without a host (BusyBox -S, raw datagrams), with a level behind the program
 * (macOS), with a message id in front of the text (Solaris), or `[program] ` alone (metalog).
 *
 * Each form is told from the others by what stands in front of the text: the text never takes the part of host, program or process.
 */
import type { LogLine, LogTime } from '../core/log-line.ts'
import { charSet, charsExcept, runEnd } from './cursor.ts'
import type { TimeField } from './time-field.ts'

const LEVEL = '(?:emerg|panic|alert|crit|err|error|warning|warn|notice|info|debug)'
/** `mail.info ` (BusyBox), `auth|security:info ` (AIX), `192.0.2.1 `. */
const BEHIND_HOST = new RegExp(
  `(?:[a-z0-9]{1,10}\\.${LEVEL}|[a-z0-9|]{1,24}:${LEVEL}|\\d{1,3}(?:\\.\\d{1,3}){3}|[0-9a-f]{0,4}:[0-9a-f:.]{1,44}) `,
  'y',
)
/** `<mail.info> ` or `<2.6> `: FreeBSD syslogd -v. */
const FREEBSD_PRIORITY = /<[a-z0-9]{1,10}\.[a-z0-9]{1,10}> /y
const APPLE_LEVEL = / <(?:Emergency|Alert|Critical|Error|Warning|Notice|Info|Debug)>(?=: )/y
const SOLARIS_ID = /\[ID \d{1,10} [a-z0-9]{1,10}\.[a-z]{1,10}\] /y
const METALOG_PROGRAM = new RegExp(`\\[([A-Za-z/][^\\[\\]\\s:"<>()]{0,63})\\](?:\\[${LEVEL}\\])? `, 'y')
const PROCESS_ID = /\[(\d{1,10})\]/y
const BRACKETED_ADDRESS = /\[[0-9a-fA-F]{0,4}[:.][0-9a-fA-F:.]{1,44}\] /y
const UNIT = /^([A-Za-z0-9_-]+)\.service$/
const HOST = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@%[]-')
const TAG = charsExcept(' []:"<>()')
const LONGEST_HOST = 255
const LONGEST_TAG = 64

/** The line whose host or program name stands at `start`; undefined where neither does. */
export function readSyslogHeader(raw: string, time: TimeField, start: number): LogLine | undefined {
  const at = raw[start] === '<' ? (matchEnd(FREEBSD_PRIORITY, raw, start) ?? start) : start
  return readBehindHost(raw, time, at) ?? readWithoutHost(raw, time, at)
}

function readBehindHost(raw: string, time: TimeField, start: number): LogLine | undefined {
  if (raw[start] === '@') return undefined
  const hostEnd = runEnd(HOST, raw, start)
  if (hostEnd === start || hostEnd > start + LONGEST_HOST || raw[hostEnd] !== ' ' || raw[hostEnd - 1] === ':')
    return undefined
  if (raw[start] === '[' && matchEnd(BRACKETED_ADDRESS, raw, start) === undefined) return undefined
  const line = readTag(raw, time, start, hostEnd, hostEnd + 1)
  if (line !== undefined) return line
  const end = matchEnd(BEHIND_HOST, raw, hostEnd + 1)
  return end === undefined ? undefined : readTag(raw, time, start, hostEnd, end)
}

/** `program[pid]: text`; without a process id it is told from a server's own file by nothing, and read as one. */
function readWithoutHost(raw: string, time: TimeField, start: number): LogLine | undefined {
  const line = readTag(raw, time, start, start, start)
  return line?.pid === undefined ? undefined : line
}

/** `program[pid]: text`, the program at `tagStart`. */
function readTag(raw: string, time: TimeField, start: number, hostEnd: number, tagStart: number): LogLine | undefined {
  const tagEnd = runEnd(TAG, raw, tagStart)
  if (tagEnd === tagStart || tagEnd > tagStart + LONGEST_TAG) return undefined
  let end = tagEnd
  let pid: string | undefined
  if (raw[end] === '[') {
    PROCESS_ID.lastIndex = end
    pid = PROCESS_ID.exec(raw)?.[1]
    if (pid === undefined) return undefined
    end = PROCESS_ID.lastIndex
    if (raw[end] === ' ') end = matchEnd(APPLE_LEVEL, raw, end) ?? end
  }
  if (raw[end] !== ':' || raw[end + 1] !== ' ') return undefined
  end += 2
  if (raw[end] === '[') end = matchEnd(SOLARIS_ID, raw, end) ?? end
  const envelope = time.style === 'iso' ? 'iso8601' : 'syslog3164'
  const program = programName(raw.slice(tagStart, tagEnd))
  return makeLine(raw, envelope, time.time, raw.slice(start, hostEnd), program, pid, end)
}

/** `[popper] text` or `[popper][info] text`: metalog, which writes no process id. */
export function readMetalog(raw: string, time: TimeField, start: number): LogLine | undefined {
  METALOG_PROGRAM.lastIndex = start
  const name = METALOG_PROGRAM.exec(raw)?.[1]
  if (name === undefined) return undefined
  return makeLine(raw, 'syslog3164', time.time, '', programName(name), undefined, METALOG_PROGRAM.lastIndex)
}

/**
 * The program name of a tag: a path is cut, `/usr/sbin/popper` is `popper`; a name such as `postfix/smtpd` stays whole. The unit
 * `dovecot.service`, which journalctl -o with-unit writes in place of the tag, is `dovecot`.
 */
export function programName(tag: string): string {
  if (tag.startsWith('/')) return tag.slice(tag.lastIndexOf('/') + 1)
  return tag.endsWith('.service') ? (UNIT.exec(tag)?.[1] ?? tag) : tag
}

/** A line of these parts, whose message is the rest of `raw` from `messageColumn`. */
export function makeLine(
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

/** The column behind what the sticky `pattern` matches at `at`, or undefined where it matches nothing there. */
export function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}
