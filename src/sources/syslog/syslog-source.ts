/** Receives syslog messages, each a line with its header, `<22>Nov 22 13:35:56 mx dovecot: ...`: docs/syslog.md says who may send and how. */
import type { SyslogConfig } from '../../config/config.ts'
import { receiverId } from '../../config/source-names.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { DatagramReceiver } from './datagram-receiver.ts'
import { Mailroom, type SyslogCounts } from './mailroom.ts'
import type { Receiver } from './receiver.ts'
import { StreamReceiver } from './stream-receiver.ts'

/** As long as the longest line that the scanner looks at. */
const MAX_FRAME_BYTES = 16 * 1024
const INBOX_BYTES = 512 * 1024

/** What the source needs. */
export interface SyslogSourceOptions {
  readonly config: SyslogConfig
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** Bytes of a message at most (default 16 KiB). */
  readonly maxFrameBytes?: number
  /** Bytes of messages that wait to be asked for at most (default 512 KiB). */
  readonly inboxBytes?: number
}

/**
 * See {@link Source}. What comes is given once: its position only counts messages, and nothing is resumed from it. A sender's spool is the only
 * memory of what it could not deliver, so there is nothing to catch up with: the first chunk, once it listens, is empty and says so.
 */
export class SyslogSource implements Source {
  readonly id: string
  /** What it listens on; a port 0 is settled once the first chunk has come. */
  readonly receiver: Receiver
  readonly #options: SyslogSourceOptions
  readonly #mailroom: Mailroom
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: SyslogSourceOptions) {
    const { config, clock, notice, maxFrameBytes = MAX_FRAME_BYTES, inboxBytes = INBOX_BYTES } = options
    this.id = receiverId(config)
    this.#options = options
    this.#mailroom = new Mailroom({ clock, notice, inboxBytes, maxFrameBytes })
    this.receiver =
      config.transport === 'udp'
        ? new DatagramReceiver({ ...config, mailroom: this.#mailroom })
        : new StreamReceiver({ config: config as never, mailroom: this.#mailroom, clock })
  }

  get counts(): SyslogCounts {
    return this.#mailroom.counts
  }

  chunks(_from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk> {
    this.#running = this.#run(AbortSignal.any([signal, this.#disposed.signal]))
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort()
    await this.#running?.return(undefined)
  }

  async *#run(signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { inbox } = this.#mailroom
    if (signal.aborted) return
    const wake = () => inbox.wake()
    signal.addEventListener('abort', wake, { once: true })
    try {
      await this.receiver.start()
      const detail = `listening for syslog on ${this.receiver.place}`
      this.#options.notice({ kind: 'opened', detail, trouble: false })
      yield this.#chunk(true)
      while (!signal.aborted) {
        await inbox.wait()
        if (!inbox.isEmpty) yield this.#chunk(false)
      }
      yield* this.#last()
    } finally {
      signal.removeEventListener('abort', wake)
      await this.receiver.close()
    }
  }

  /** What senders were rid of before the end is not lost. */
  async *#last(): AsyncGenerator<SourceChunk> {
    const { inbox } = this.#mailroom
    let isOver = false
    const over = this.receiver.finish().then(() => {
      isOver = true
      inbox.wake()
    })
    while (!isOver || !inbox.isEmpty) {
      if (!inbox.isEmpty) yield this.#chunk(false)
      else await Promise.race([over, inbox.wait()])
    }
  }

  #chunk(caughtUp: boolean): SourceChunk {
    const { clock } = this.#options
    const bytes = this.#mailroom.inbox.take()
    const position = { v: 1, messages: this.counts.messages }
    return { bytes, format: 'lines', position, caughtUp, origin: this.#origin(), newestMs: clock.now() }
  }

  #origin(): string {
    return this.#options.config.transport === 'unix' ? this.receiver.place : `syslog ${this.receiver.place}`
  }
}
