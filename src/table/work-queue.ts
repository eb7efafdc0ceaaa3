/** Runs pieces of work one after the other. */
import { TableError } from '../errors.ts'

/** A piece that fails does not stop those behind it. */
export class WorkQueue {
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /** Resolves or rejects as `work` does, once all work given before is done. @throws {TableError} after `close` */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new TableError('cannot use the table: it is closed'))
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }

  /** Takes no more work; resolves once what was given is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
  }
}
