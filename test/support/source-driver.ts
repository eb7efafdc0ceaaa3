/** Drives a source step by step: the test wakes it, and knows when it has read all there is. */
import type { Source, SourceChunk, SourcePosition } from '../../src/sources/source.ts'
import type { Waker } from '../../src/sources/waker.ts'

/** A waker that the test wakes by hand. `idle` resolves while the source waits in it. */
export class ManualWaker implements Waker {
  #woken = false
  #resume: (() => void) | undefined
  #idlers: (() => void)[] = []

  watch(): void {}

  close(): void {}

  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#woken || signal.aborted) {
        this.#woken = false
        resolve()
        return
      }
      this.#resume = () => {
        this.#resume = undefined
        resolve()
      }
      signal.addEventListener('abort', () => this.#resume?.(), { once: true })
      for (const idler of this.#idlers.splice(0)) idler()
    })
  }

  wake(): void {
    if (this.#resume === undefined) this.#woken = true
    else this.#resume()
  }

  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#resume !== undefined) resolve()
      else this.#idlers.push(resolve)
    })
  }
}

/** What a step of reading gave. */
export interface Step {
  /** Lines without their LF, as latin1. */
  readonly lines: string[]
  readonly chunks: (Omit<SourceChunk, 'bytes'> & { readonly text: string })[]
}

/** One run of a source from a position on. */
export class SourceDriver {
  readonly #waker: ManualWaker
  readonly #abort = new AbortController()
  readonly #iterator: AsyncIterator<SourceChunk>
  #pending: Promise<IteratorResult<SourceChunk>> | undefined
  /** Position of the last chunk. */
  position: SourcePosition | undefined

  constructor(source: Source, waker: ManualWaker, from?: SourcePosition) {
    this.#waker = waker
    this.position = from
    this.#iterator = source.chunks(from, this.#abort.signal)[Symbol.asyncIterator]()
  }

  /** Wakes the source once and reads until it waits again, or until `most` chunks came. */
  async read(most = Number.POSITIVE_INFINITY): Promise<Step> {
    this.#waker.wake()
    const chunks: Step['chunks'] = []
    while (chunks.length < most) {
      this.#pending ??= this.#iterator.next()
      const result = await Promise.race([
        this.#pending.catch((error: unknown) => this.#failed(error)),
        this.#waker.idle(),
      ])
      if (result === undefined || result.done === true) break
      this.#pending = undefined
      this.position = result.value.position
      chunks.push({ ...result.value, text: result.value.bytes.toString('latin1') })
    }
    const text = chunks.map((chunk) => chunk.text).join('')
    return { lines: text.split('\n').slice(0, -1), chunks }
  }

  /** A failed iteration is over: nothing is pending any more. */
  #failed(error: unknown): never {
    this.#pending = undefined
    throw error
  }

  /** Reads as {@link read} does and gives the lines alone. */
  async lines(): Promise<string[]> {
    return (await this.read()).lines
  }

  /** Aborts and waits until the iteration has ended. A chunk that still comes is dropped; its position does not count. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#pending
    await this.#iterator.return?.()
  }
}
