/**
 * Logins that servers tell by Whoson's LOGIN, and end by LOGOUT ({@link ../../core/whoson.ts}), over a Unix socket or TLS with client certificates.
 * Nothing can be read again: what is told while popauthd is down is not told twice. A command has no time: that of its receipt counts.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ProvenConfig } from '../../config/config.ts'
import { whosonId, whosonName } from '../../config/source-names.ts'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import type { Clock } from '../../lib/clock.ts'
import { CommitQueue } from '../commit-queue.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { StreamListener } from '../stream-listener.ts'
import { type ToldPart, toldChunk } from '../told-chunk.ts'
import { type Told, WhosonDialog } from './dialog.ts'
import { type WhosonCounts, WhosonTally } from './tally.ts'

/** What the source needs. */
export interface WhosonSourceOptions {
  readonly config: ProvenConfig
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** Answers QUERY; undefined while the table is not loaded. */
  readonly lookup: (address: ClientAddress) => Verdict | undefined
  /** Commands that may wait (default: 10,000). */
  readonly mostWaiting?: number
}

/** See {@link Source}. Its chunks carry logins, or what ends, and no bytes. @throws {SourceError | SocketError} where it cannot listen */
export class WhosonSource implements Source {
  readonly id: string
  readonly #options: WhosonSourceOptions
  readonly #queue: CommitQueue<Told>
  readonly #tally: WhosonTally
  readonly #listener: StreamListener
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: WhosonSourceOptions) {
    const { config, clock, lookup } = options
    this.id = whosonId(config)
    this.#options = options
    this.#queue = new CommitQueue(options.mostWaiting)
    this.#tally = new WhosonTally(options)
    const parts = { queue: this.#queue, tally: this.#tally, clock, lookup }
    this.#listener = new StreamListener({
      config,
      clock,
      what: 'whoson',
      allowHalfOpen: true,
      trouble: (kind, text) => this.#tally.trouble(kind, text),
      converse: (socket, sender) => {
        this.#tally.counts.connections++
        return new WhosonDialog(socket, sender, parts)
      },
    })
  }

  get counts(): WhosonCounts {
    return this.#tally.counts
  }

  /** The port it listens on, once the first chunk has come; 0 for a Unix socket. */
  get port(): number {
    return this.#listener.port
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
    const refuse = () => this.#queue.refuse()
    signal.addEventListener('abort', refuse, { once: true })
    try {
      if (signal.aborted) return
      await this.#listener.start()
      this.#options.notice({
        kind: 'opened',
        detail: `listening for whoson on ${this.#listener.place}`,
        trouble: false,
      })
      yield this.#chunk({ logins: [] })
      for (;;) {
        const told = await this.#queue.take(signal)
        for (const part of inRuns(told)) yield this.#chunk(part)
        if (told.length === 0 && signal.aborted) return
      }
    } finally {
      signal.removeEventListener('abort', refuse)
      this.#queue.close()
      // Whoever was recorded is told so before the connection ends.
      await nextTurn()
      await this.#listener.finish()
    }
  }

  #chunk(part: ToldPart): SourceChunk {
    return toldChunk(part, whosonName(this.#options.config), this.#options.clock)
  }
}

/** Logins that come one after the other, then what ends, and so on: a LOGOUT ends what came before it, and nothing that comes after. */
function* inRuns(told: readonly Told[]): Generator<ToldPart> {
  for (let at = 0; at < told.length; ) {
    const isLogin = 'login' in (told[at] as Told)
    let end = at
    while (end < told.length && 'login' in (told[end] as Told) === isLogin) end++
    const run = told.slice(at, end)
    if (isLogin) yield { logins: run.flatMap((one) => ('login' in one ? [one.login] : [])) }
    else yield { ended: run.flatMap((one) => ('logout' in one ? [one.logout] : [])) }
    at = end
  }
}
