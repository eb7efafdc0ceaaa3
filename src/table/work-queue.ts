/** Runs pieces of work one after the other; of a piece in two stages the second goes on while the first of the next is done. */
import { TableError } from '../errors.ts'

/** A piece that fails does not stop those behind it. */
export class WorkQueue {
  #last: Promise<unknown> = Promise.resolve()
  /** The second stages so far. */
  #finished: Promise<unknown> = Promise.resolve()
  /** Resolves when the second stage before the last one is done. */
  #room: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /** Resolves or rejects as `work` does, once all work given before is done, both stages of it. @throws {TableError} after `close` */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      await this.#finished
      return await work()
    })
  }

  /**
   * Resolves or rejects as `finish` does. `prepare` runs when what was given before is prepared, `finish` when that is finished too; at most one
   * prepared piece waits for its second stage. @throws {TableError} after `close`
   */
  async runInStages<P, T>(prepare: () => Promise<P>, finish: (prepared: P) => Promise<T>): Promise<T> {
    const { finished } = await this.#queue(async () => {
      await this.#room
      const prepared = await prepare()
      const before = this.#finished
      const own = before.then(() => finish(prepared))
      this.#room = before
      this.#finished = own.catch(() => {})
      return { finished: own }
    })
    return await finished
  }

  /** Takes no more work; resolves once what was given is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
    await this.#finished
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new TableError('cannot use the table: it is closed'))
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
