/** Reads lines from a pipe, for `popauthd run --log -`. */
import type { Readable } from 'node:stream'
import { reasonOf, SourceError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { LineBuffer, type LineBufferOptions } from './line-buffer.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from './source.ts'
import { streamLines } from './stream-lines.ts'

/** A pipe that gave nothing for this long is taken to have been read to its end. */
const QUIET_MS = 50

/** Where the lines come from. */
export interface StdinSourceOptions extends LineBufferOptions {
  /** Standard input, or any stream of bytes. It is destroyed when the source ends. */
  readonly stream: Readable
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
}

/** See {@link Source}. Ends with the stream. A pipe cannot be read again: the position only counts bytes, and nothing is resumed from it. */
export class StdinSource implements Source {
  readonly id = 'stdin'
  readonly #options: StdinSourceOptions
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: StdinSourceOptions) {
    this.#options = options
  }

  chunks(_from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk> {
    this.#running = this.#run(signal)
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.stream.destroy()
    await this.#running?.return(undefined)
  }

  async *#run(signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { stream, clock } = this.#options
    const lines = new LineBuffer(0, this.#options)
    const end = () => void stream.destroy()
    signal.addEventListener('abort', end, { once: true })
    try {
      if (signal.aborted) return
      for await (const { bytes, quiet } of streamLines(stream, lines, clock, () => QUIET_MS)) {
        this.#tellSkipped(lines)
        const position = { v: 1, bytes: lines.lineOffset }
        yield { bytes, format: 'lines', position, caughtUp: quiet, origin: 'standard input', newestMs: clock.now() }
        if (signal.aborted) return
      }
    } catch (error) {
      if (!signal.aborted && !stream.destroyed) throw this.#unreadable(error)
      if (!signal.aborted && stream.errored !== null) throw this.#unreadable(stream.errored)
    } finally {
      signal.removeEventListener('abort', end)
      stream.destroy()
    }
  }

  #unreadable(error: unknown): SourceError {
    return new SourceError(`cannot read standard input: ${reasonOf(error)}`, { cause: error })
  }

  #tellSkipped(lines: LineBuffer): void {
    const count = lines.takeSkippedLines()
    if (count === 0) return
    const detail = `skipped ${count} line(s) longer than ${lines.maxLineBytes} bytes in standard input`
    this.#options.notice({ kind: 'line_too_long', detail, trouble: false })
  }
}
