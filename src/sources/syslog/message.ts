/**
 * What is asked of a syslog message before it becomes a line: a priority and a time in its header (RFC 3164 4.1, RFC 5424 6.2, and the first
 * with an ISO 8601 time, as rsyslog forwards by default). A receiver never adds a time: one without gives nothing.
 */

/** Why a message is no line. */
type Refusal = 'without_priority' | 'without_time'

const PRIORITY = /^<(?:\d|[1-9]\d|1[0-8]\d|19[01])>/
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const ISO_TIME = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d'
const TIME = new RegExp(`^(?:1 ${ISO_TIME}|${ISO_TIME}|${MONTH} (?: \\d|\\d\\d?) \\d\\d:\\d\\d:\\d\\d)`)
const HEAD_BYTES = 48
const DELETE = 127
const CR = 13
const LF = 10

/** Why `frame` is no message with a time; undefined where it is one. */
export function refusalOf(frame: Buffer): Refusal | undefined {
  const head = frame.toString('latin1', 0, HEAD_BYTES)
  const priority = PRIORITY.exec(head)?.[0]
  if (priority === undefined) return 'without_priority'
  return TIME.test(head.slice(priority.length)) ? undefined : 'without_time'
}

/** The message without the one LF that some senders put behind it, within their frame. */
export function withoutFinalLf(frame: Buffer): Buffer {
  return frame.length > 0 && frame[frame.length - 1] === LF ? frame.subarray(0, -1) : frame
}

/** True where the message holds a control character, LF among them. */
export function hasControl(message: Buffer): boolean {
  for (const byte of message) if (byte < 32 || byte === DELETE) return true
  return false
}

/** A copy whose LF and CR are NULs: it stays one line, and one of which no login can come. */
export function asOneLine(message: Buffer): Buffer {
  const line = Buffer.from(message)
  for (let at = 0; at < line.length; at++) if (line[at] === LF || line[at] === CR) line[at] = 0
  return line
}
