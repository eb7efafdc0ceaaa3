/** Parts that are closed in the reverse of the order in which they were opened (Node 20 has no AsyncDisposableStack). */

/** Collects what must be closed. Closing goes on past a part that fails; the first failure is thrown at the end. */
export class Lifecycle implements AsyncDisposable {
  readonly #closers: (() => void | PromiseLike<void>)[] = []

  /** Closes `part` at the end; returns it. */
  use<T extends AsyncDisposable>(part: T): T {
    this.defer(() => part[Symbol.asyncDispose]())
    return part
  }

  /** Calls `close` at the end. */
  defer(close: () => void | PromiseLike<void>): void {
    this.#closers.push(close)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
