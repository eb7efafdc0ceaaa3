/** The message of a line in every envelope that a log may have. */
import type { LogLine } from '../../../src/core/log-line.ts'
import { readLine } from '../../../src/parsers/envelope.ts'
import { readJournalEntry } from '../../../src/parsers/journal-envelope.ts'
import type { SampleLog } from './sample-logs.ts'

/** Who says what, without time. */
interface Message {
  readonly host: string
  readonly program: string
  readonly pid?: number
  readonly text: string
}

/** One way to write a message; `second` counts from 2026-11-22 13:00:00. The first line of a log may differ from the others. */
export interface Envelope {
  readonly name: string
  readonly format: 'lines' | 'journal-json'
  write(message: Message, second: number): string
}

const two = (value: number) => String(value).padStart(2, '0')
const clock = (second: number) => `13:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`
const civil = (second: number) => `Nov 22 ${clock(second)}`
const iso = (second: number) => `2026-11-22T${clock(second)}`
const process = ({ pid }: Message) => (pid === undefined ? '' : `[${pid}]`)
const tag = (message: Message) => `${message.program}${process(message)}: ${message.text}`
const atMs = (second: number) => Date.UTC(2026, 10, 22, 13) + second * 1000
const TAI_EPOCH = 2n ** 62n + 10n
const tai = (second: number) => `@${(TAI_EPOCH + BigInt(atMs(second) / 1000)).toString(16)}1dcd6500`

/** The program without what a server appends to it: RFC 5424 takes the tag up to a `/`. */
const structured = ({ host, program, pid, text }: Message) =>
  `${host || '-'} ${program || '-'} ${pid ?? '-'} - - ${text}`

function journalEntry(message: Message, second: number): string {
  return JSON.stringify({
    __REALTIME_TIMESTAMP: `${atMs(second)}000`,
    MESSAGE: message.text,
    SYSLOG_IDENTIFIER: message.program,
    _HOSTNAME: message.host,
    ...(message.pid === undefined ? {} : { _PID: String(message.pid) }),
  })
}

/** The envelopes of any server's lines: syslog daemons and what collects their lines. */
export const envelopes: readonly Envelope[] = (
  [
    ['RFC 3164', (m, s) => `${civil(s)} ${m.host || 'mx1'} ${tag(m)}`],
    ['RFC 3164 with priority', (m, s) => `<22>${civil(s)} ${m.host || 'mx1'} ${tag(m)}`],
    ['RFC 3164 with a fraction', (m, s) => `${civil(s)}.123 ${m.host || 'mx1'} ${tag(m)}`],
    ['RFC 3164 with a year', (m, s) => `Nov 22 2026 ${clock(s)} ${m.host || 'mx1'} ${tag(m)}`],
    ['RFC 3164 without a host', (m, s) => `${civil(s)} ${tag(m)}`],
    ['RFC 5424', (m, s) => `<22>1 ${iso(s)}.544306+00:00 ${structured(m)}`],
    ['RFC 5424 with data', (m, s) => `<22>1 ${iso(s)}Z ${structured(m).replace(' - - ', ' - [a@1 b="c"] ')}`],
    ['RFC 5424 without priority', (m, s) => `1 ${iso(s)}Z ${structured(m)}`],
    ['ISO 8601', (m, s) => `${iso(s)}+00:00 ${m.host || 'mx1'} ${tag(m)}`],
    ['ISO 8601 with a fraction', (m, s) => `${iso(s)}.544306+01:00 ${m.host || 'mx1'} ${tag(m)}`],
    ['BusyBox', (m, s) => `${civil(s)} ${m.host || 'mx1'} mail.info ${tag(m)}`],
    ['Solaris', (m, s) => `${civil(s)} ${m.host || 'mx1'} ${m.program}${process(m)}: [ID 702911 mail.info] ${m.text}`],
    ['journalctl short-full', (m, s) => `Sun 2026-11-22 ${clock(s)} UTC ${m.host || 'mx1'} ${tag(m)}`],
    ['metalog', (m, s) => `${civil(s)} [${m.program}] ${m.text}`],
    ['FreeBSD syslogd -v', (m, s) => `${civil(s)} <mail.info> ${m.host || 'mx1'} ${tag(m)}`],
    ['multilog', (m, s) => `${tai(s)} ${civil(s)} ${tag(m)}`],
    ['socklog', (m, s) => `${tai(s)} mail.info: ${civil(s)} ${tag(m)}`],
    ['a file of Dovecot', (m, s) => `${civil(s)} ${m.program}: Info: ${m.text}`],
    ['a file of Dovecot 1', (m, s) => `${m.program}: ${civil(s)} Info: ${m.text}`],
    ['Docker', (m, s) => `${iso(s)}.1Z ${civil(s)} ${tag(m)}`],
    ['Kubernetes', (m, s) => `${iso(s)}.1Z stdout F ${civil(s)} ${tag(m)}`],
  ] satisfies [string, Envelope['write']][] as [string, Envelope['write']][]
)
  .map(([name, write]): Envelope => ({ name, format: 'lines', write }))
  .concat({ name: 'the journal', format: 'journal-json', write: journalEntry })

/** A line without its envelope; undefined where it is in none that is common, or where its envelope says more than these can. */
export function messageOf(line: string, format: SampleLog['format']): Message | undefined {
  const opened = format === 'lines' ? readLine(line) : readJournalEntry(line)
  if ('unreadable' in opened) return undefined
  const { host, program, pid, message, sender }: LogLine = opened
  if (sender !== undefined && Object.keys(sender).length > 0) return undefined
  return { host, program, text: message, ...(pid === undefined ? {} : { pid }) }
}
