/**
 * Runs pieces of work one after the other. Pieces in two stages are prepared one by one; what is prepared while others are being finished is
 * finished together afterwards.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { TableError } from '../errors.ts'

/** A piece in two stages that was given to the queue. Whoever is interested in one of the promises only need not heed the other. */
export interface Staged<P> {
  /** Resolves, or rejects as its preparation does, when it is prepared. */
  readonly prepared: Promise<P>
  /** Resolves when it is finished. */
  readonly finished: Promise<P>
}

/** Runs pieces of work one after the other. */
export type Serial = Pick<WorkQueue<never>, 'run' | 'close'>

interface Waiting<P> {
  readonly piece: P
  readonly resolve: (piece: P) => void
  readonly reject: (error: unknown) => void
}

/** A piece that fails does not stop those behind it. `finish` is given prepared pieces in their order, and tells of each what it failed with, or undefined. */
export class WorkQueue<P> {
  readonly #finish: (pieces: readonly P[]) => Promise<readonly unknown[]>
  #last: Promise<unknown> = Promise.resolve()
  #prepared: Waiting<P>[] = []
  #finishing: Promise<void> | undefined
  #isClosed = false

  constructor(finish: (pieces: readonly P[]) => Promise<readonly unknown[]> = async () => []) {
    this.#finish = finish
  }

  /** Resolves or rejects as `work` does, once all work given before is done, both stages of it. @throws {TableError} after `close` */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      while (this.#finishing !== undefined) await this.#finishing
      return await work()
    })
  }

  /** `prepare` runs when what was given before is prepared; whoever gives much bounds what waits to be finished. Both promises reject with a {@link TableError} after `close`. */
  runInStages(prepare: () => Promise<P>): Staged<P> {
    const result = this.#queue(async () => {
      const piece = await prepare()
      return { piece, finished: this.#finishSoon(piece) }
    })
    const prepared = result.then(({ piece }) => piece)
    const finished = result.then((one) => one.finished)
    for (const promise of [prepared, finished]) promise.catch(() => {})
    return { prepared, finished }
  }

  /** Takes no more work; resolves once what was given is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
    while (this.#finishing !== undefined) await this.#finishing
  }

  #finishSoon(piece: P): Promise<P> {
    const finished = new Promise<P>((resolve, reject) => {
      this.#prepared.push({ piece, resolve, reject })
    })
    finished.catch(() => {})
    this.#finishing ??= this.#finishAll()
    return finished
  }

  async #finishAll(): Promise<void> {
    while (this.#prepared.length > 0) {
      const waiting = this.#prepared
      this.#prepared = []
      const failures = await this.#finish(waiting.map(({ piece }) => piece)).catch((error) => waiting.map(() => error))
      for (const [i, { piece, resolve, reject }] of waiting.entries()) {
        // Whoever waits for a piece has work to do then: lookups are answered in between.
        if (i > 0) await nextTurn()
        if (failures[i] === undefined) resolve(piece)
        else reject(failures[i])
      }
    }
    this.#finishing = undefined
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new TableError('cannot use the table: it is closed'))
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
