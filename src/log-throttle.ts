/** Keeps floods out of the daemon's own log: of what comes thousands of times a second, the first lines are written and the rest is counted. */
import type { Clock } from './lib/clock.ts'

/** Lines of one message that are written one by one in a second. */
export const LINES_PER_SECOND = 200
const SECOND_MS = 1_000

/** How many lines of each message were left out. */
export type LeftOut = Readonly<Record<string, number>>

/** Asked before each line. What was left out is told once the second is over. */
export class LogThrottle {
  readonly #clock: Clock
  readonly #tell: (leftOut: LeftOut) => void
  #startedMs = Number.NEGATIVE_INFINITY
  #lines = new Map<string, number>()
  #leftOut = new Map<string, number>()

  constructor(clock: Clock, tell: (leftOut: LeftOut) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** True where a line with this message is to be written; the number of messages is bounded by whoever asks. */
  allows(message: string): boolean {
    const nowMs = this.#clock.now()
    if (nowMs < this.#startedMs || nowMs >= this.#startedMs + SECOND_MS) {
      this.#startedMs = nowMs
      this.#lines.clear()
    }
    const lines = (this.#lines.get(message) ?? 0) + 1
    this.#lines.set(message, lines)
    if (lines <= LINES_PER_SECOND) return true
    if (this.#leftOut.size === 0) this.#clock.setTimer(this.#startedMs + SECOND_MS - nowMs, () => this.flush())
    this.#leftOut.set(message, (this.#leftOut.get(message) ?? 0) + 1)
    return false
  }

  /** Tells what was left out, if anything. */
  flush(): void {
    const leftOut = this.#leftOut
    if (leftOut.size === 0) return
    this.#leftOut = new Map()
    this.#tell(Object.fromEntries(leftOut))
  }
}
