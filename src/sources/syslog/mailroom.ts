/** Where the messages of all senders come together: they are looked through, counted, and wait in the inbox. Troubles are told, seldom. */
import type { SourceNotice } from '../source.ts'
import { Tally, type TallyOptions } from '../tally.ts'
import { Inbox } from './inbox.ts'
import { asOneLine, hasControl, refusalOf, withoutFinalLf } from './message.ts'

const NONE_YET = {
  messages: 0,
  without_priority: 0,
  without_time: 0,
  with_control_characters: 0,
  too_long: 0,
  dropped: 0,
  connections: 0,
  connections_refused: 0,
  connections_broken: 0,
  connections_timed_out: 0,
}

/** What happened since the start; names are those of `status`. */
export type SyslogCounts = Record<keyof typeof NONE_YET, number>

type Trouble = Exclude<keyof SyslogCounts, 'messages' | 'connections'>

const NOTICE_KINDS: Readonly<Record<Trouble, SourceNotice['kind']>> = {
  without_priority: 'refused',
  without_time: 'refused',
  with_control_characters: 'refused',
  too_long: 'line_too_long',
  dropped: 'dropped',
  connections_refused: 'refused',
  connections_broken: 'refused',
  connections_timed_out: 'refused',
}

/** What a {@link Mailroom} works with. */
interface MailroomOptions extends TallyOptions {
  /** Bytes of lines that wait at most. */
  readonly inboxBytes: number
  readonly maxFrameBytes: number
}

/** Takes messages of any number of senders. */
export class Mailroom extends Tally<keyof SyslogCounts, Trouble> {
  readonly inbox: Inbox
  /** Longest message that is taken. */
  readonly maxFrameBytes: number

  constructor(options: MailroomOptions) {
    super({ ...NONE_YET }, NOTICE_KINDS, options)
    this.inbox = new Inbox(options.inboxBytes, options.maxFrameBytes)
    this.maxFrameBytes = options.maxFrameBytes
  }

  /** Takes a frame in, or says what is wrong with it; false where there is no room now and it should come again. */
  offer(frame: Buffer | undefined, sender: string): boolean {
    const message = frame === undefined ? undefined : withoutFinalLf(frame)
    if (message === undefined || message.length > this.maxFrameBytes) {
      this.trouble('too_long', `skipped a message longer than ${this.maxFrameBytes} bytes from ${sender}`)
      return true
    }
    const refusal = refusalOf(message)
    if (refusal !== undefined) {
      const what = refusal === 'without_time' ? 'no time in its header' : 'no syslog priority'
      this.trouble(refusal, `a message from ${sender} has ${what}, and gives nothing: ${shown(message)}`)
      return true
    }
    const isClean = !hasControl(message)
    // It may still speak against the lines around it, as it would in a file.
    if (!this.inbox.add(isClean ? message : asOneLine(message))) return false
    this.counts.messages++
    if (!isClean) {
      const text = `a message from ${sender} holds a control character, and gives no login: ${shown(message)}`
      this.trouble('with_control_characters', text)
    }
    return true
  }
}

function shown(message: Buffer): string {
  return JSON.stringify(message.toString('latin1', 0, 100))
}
