/** How many addresses may relay: counting reads the whole table, so it is done beside other work, and only where something has changed. */
import type { Clock } from '../lib/clock.ts'

/** Counts anew at most this often. */
const COUNT_EVERY_MS = 2_000
/** Counting a large table takes seconds; it takes at most one part in so many of the time. */
const COUNT_SHARE = 10
/** Who asks waits no longer than this for a count that is under way. */
export const LONGEST_WAIT_MS = 250

interface AuthorizedCountParts {
  readonly count: () => Promise<number>
  readonly clock: Clock
  /** Calls its listener at each change of an authorization. */
  readonly onChange: (listener: () => void) => void
}

/** The number as counted last. */
export class AuthorizedCount {
  readonly #parts: AuthorizedCountParts
  #last: { readonly authorized: number; readonly atMs: number; readonly tookMs: number } | undefined
  #hasChanged = true
  #running: Promise<void> | undefined

  constructor(parts: AuthorizedCountParts) {
    this.#parts = parts
    parts.onChange(() => {
      this.#hasChanged = true
    })
  }

  /**
   * The number, a few seconds old at most where the table is small; that of the last count where the new one takes longer than
   * {@link LONGEST_WAIT_MS}, and null where there was none before. @throws {TableError} the table cannot be read
   */
  async latest(): Promise<number | null> {
    if (this.#isDue()) {
      this.#running ??= this.#count().finally(() => {
        this.#running = undefined
      })
      await this.#waited(this.#running)
    }
    return this.#last?.authorized ?? null
  }

  #isDue(): boolean {
    if (this.#last === undefined) return true
    if (!this.#hasChanged) return false
    const { atMs, tookMs } = this.#last
    return Math.abs(this.#parts.clock.now() - atMs) >= Math.max(COUNT_EVERY_MS, tookMs * COUNT_SHARE)
  }

  async #count(): Promise<void> {
    const { clock, count } = this.#parts
    const startedMs = clock.now()
    this.#hasChanged = false
    try {
      const authorized = await count()
      const atMs = clock.now()
      this.#last = { authorized, atMs, tookMs: Math.max(0, atMs - startedMs) }
    } catch (error) {
      this.#hasChanged = true
      throw error
    }
  }

  #waited(running: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.setTimer(LONGEST_WAIT_MS, resolve)
      running.finally(cancel).then(resolve, reject)
    })
  }
}
