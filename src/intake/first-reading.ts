/**
 * The logins of the first reading of a log, held until its end is reached. A line without a year gets the latest year that is possible; only
 * the lines behind it can tell that it is from an earlier one. Without this, a log that was not rotated for a year would open last year's clients.
 */
import type { Login } from '../core/login.ts'

/** Lines of one log may be out of order by this much (a relay that was away); more means that a year has passed between them. */
const DISORDER_MS = 24 * 60 * 60_000
/** So many are held at most; a log with more logins in one window is not one that a year fits into. */
const MOST_HELD = 100_000

/** Takes the logins of a log in their order; those that still hold at its end are {@link release}d. */
export class FirstReading {
  #held: { readonly login: Login; readonly yearInferred: boolean }[] = []
  #newestMs = Number.NEGATIVE_INFINITY

  get isFull(): boolean {
    return this.#held.length >= MOST_HELD
  }

  /** `oldestMs`: older logins open nothing any more; they are not held (false), but tell the order all the same. */
  take(login: Login, yearInferred: boolean, oldestMs: number): boolean {
    if (yearInferred && login.atMs < this.#newestMs - DISORDER_MS) this.#dropFromAfter(login.atMs + DISORDER_MS)
    if (login.atMs < oldestMs) return false
    this.#held.push({ login, yearInferred })
    if (yearInferred) this.#newestMs = Math.max(this.#newestMs, login.atMs)
    return true
  }

  /** What stands in front of a line and seems to be from after it (after `atMs`) was written in an earlier year. */
  #dropFromAfter(atMs: number): void {
    this.#held = this.#held.filter(({ login, yearInferred }) => !yearInferred || login.atMs <= atMs)
    this.#newestMs = atMs
  }

  release(): Login[] {
    return this.#held.map(({ login }) => login)
  }
}
