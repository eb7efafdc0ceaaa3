/**
 * Logins that Dovecot itself reports, without a log: over HTTP, over a Unix socket, or both. Nothing can be read again: what is reported while
 * popauthd is down is not told twice. An HTTP report is acknowledged once its login is committed.
 */
import type { ReportsConfig } from '../../config/config.ts'
import { reportsId, reportsName } from '../../config/source-names.ts'
import type { Login } from '../../core/login.ts'
import { reasonOf } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { CommitQueue } from '../commit-queue.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { toldChunk } from '../told-chunk.ts'
import { readEvent } from './dovecot-report.ts'
import { MAX_REPORT_BYTES, readBytes, reportApi } from './report-api.ts'
import { type Listening, listenHttp, listenLines } from './report-listeners.ts'
import { ReportSecret } from './report-secret.ts'
import { ReportTally } from './report-tally.ts'

/** Where reports are taken, and whom the source tells of its troubles. */
export interface ReportSourceOptions extends ReportsConfig {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** Logins that may wait (default: 10,000). */
  readonly mostWaiting?: number
}

/** See {@link Source}. Its chunks carry logins and no bytes. @throws {SourceError | SocketError} where a socket or the secret is of no use */
export class ReportSource implements Source {
  readonly id: string
  readonly #options: ReportSourceOptions
  readonly #origin: string
  readonly #queue: CommitQueue<Login>
  readonly #tally: ReportTally
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined
  /** The port that is listened on, once the first chunk has come. */
  httpPort: number | undefined

  constructor(options: ReportSourceOptions) {
    this.#options = options
    this.id = reportsId(options)
    this.#origin = reportsName(options)
    this.#queue = new CommitQueue(options.mostWaiting)
    this.#tally = new ReportTally(options)
  }

  get counts(): Readonly<Record<string, number>> {
    const { ignored, malformed, unauthorized, dropped } = this.#tally.counts
    return {
      reports_ignored: ignored,
      reports_malformed: malformed,
      reports_unauthorized: unauthorized,
      reports_dropped: dropped,
    }
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
    const listening: Listening[] = []
    const refuse = () => this.#queue.refuse()
    signal.addEventListener('abort', refuse, { once: true })
    try {
      if (signal.aborted) return
      await this.#listen(listening)
      yield this.#chunk([])
      for (;;) {
        const logins = await this.#queue.take(signal)
        if (logins.length > 0) yield this.#chunk(logins)
        else if (signal.aborted) return
      }
    } finally {
      signal.removeEventListener('abort', refuse)
      this.#queue.close()
      await Promise.all(listening.map((one) => one.close()))
    }
  }

  async #listen(listening: Listening[]): Promise<void> {
    const { http, socket, clock, notice } = this.#options
    const onFault = (error: unknown) =>
      notice({ kind: 'unreadable', detail: `a report could not be taken: ${reasonOf(error)}`, trouble: true })
    if (http !== undefined) {
      const secret = await ReportSecret.read(http.secretFile)
      const api = reportApi({ secret, queue: this.#queue, tally: this.#tally, clock })
      const server = await listenHttp(api, http, onFault)
      listening.push(server)
      this.httpPort = server.port
    }
    if (socket !== undefined) {
      const taker = {
        line: (bytes: Buffer) => this.#takeLine(bytes),
        tooLong: () => this.#tally.lost('malformed', `longer than ${MAX_REPORT_BYTES} bytes`),
      }
      listening.push(await listenLines(socket, MAX_REPORT_BYTES, taker, onFault))
    }
    notice({ kind: 'opened', detail: this.#origin, trouble: false })
  }

  #takeLine(bytes: Buffer): void {
    const report = readBytes(bytes, (text) => readEvent(text, this.#options.clock.now()))
    if (report.kind !== 'login') {
      this.#tally.lost(report.kind, report.reason)
      return
    }
    void this.#queue.push(report.login).then((how) => {
      if (how === 'dropped') this.#tally.lost('dropped')
    })
  }

  #chunk(logins: readonly Login[]): SourceChunk {
    return toldChunk({ logins }, this.#origin, this.#options.clock)
  }
}
