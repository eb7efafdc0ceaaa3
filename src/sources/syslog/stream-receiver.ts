/** Syslog over connections: Unix stream socket, TCP (RFC 6587), TLS with client certificates (RFC 5425). What a sender can make us hold is bounded. */
import type { Clock } from '../../lib/clock.ts'
import { type Conversation, type StreamConfig, StreamListener } from '../stream-listener.ts'
import { FrameDecoder, type Framing } from './frames.ts'
import type { Mailroom } from './mailroom.ts'
import type { Receiver } from './receiver.ts'

/** What the receiver needs. */
interface StreamOptions {
  readonly config: StreamConfig
  readonly mailroom: Mailroom
  readonly clock: Clock
}

/** The receiver. */
export class StreamReceiver implements Receiver {
  readonly #listener: StreamListener

  constructor({ config, mailroom, clock }: StreamOptions) {
    const framing = config.transport === 'tls' ? 'octet-counting' : 'either'
    this.#listener = new StreamListener({
      config,
      clock,
      what: 'syslog',
      trouble: (kind, text) => mailroom.trouble(kind, text),
      converse(_socket, sender) {
        mailroom.counts.connections++
        return new FrameReader(framing, mailroom, sender)
      },
    })
  }

  get place(): string {
    return this.#listener.place
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    return this.#listener.port
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#listener.open
  }

  async start(): Promise<void> {
    await this.#listener.start()
  }

  async finish(): Promise<void> {
    await this.#listener.finish()
  }

  async close(): Promise<void> {
    await this.#listener.close()
  }
}

/** Brings the frames of one sender to the mailroom, as far as there is room. */
class FrameReader implements Conversation {
  readonly #decoder: FrameDecoder
  readonly #mailroom: Mailroom
  readonly #sender: string

  constructor(framing: Framing, mailroom: Mailroom, sender: string) {
    this.#decoder = new FrameDecoder({ framing, maxFrameBytes: mailroom.maxFrameBytes })
    this.#mailroom = mailroom
    this.#sender = sender
  }

  get partial(): boolean {
    return this.#decoder.partial
  }

  async take(bytes: Buffer): Promise<number | 'over'> {
    const mailroom = this.#mailroom
    let frames = 0
    for (const frame of this.#decoder.push(bytes)) {
      frames++
      while (!mailroom.offer(frame, this.#sender)) await mailroom.inbox.room()
    }
    if (this.#decoder.broken === undefined) return frames
    const text = `closed a connection from ${this.#sender}, what comes there is no syslog: ${this.#decoder.broken}`
    mailroom.trouble('connections_broken', text)
    return 'over'
  }
}
