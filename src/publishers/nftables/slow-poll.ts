/** Asks now and then, with a bound on how much of the time goes into asking. */
import type { Clock } from '../../lib/clock.ts'

const PAUSE_MS = 5000
/** The pause is at least this many times as long as the last question took. */
const PAUSE_PER_ASKING = 20

/** Calls `ask` 5 seconds after the last call ended, or later where that took long. Runs until closed. `ask` never rejects. */
export class SlowPoll {
  readonly #clock: Clock
  readonly #ask: () => Promise<void>
  #cancel: () => void = () => {}
  #isClosed = false

  constructor(clock: Clock, ask: () => Promise<void>) {
    this.#clock = clock
    this.#ask = ask
    this.#later(PAUSE_MS)
  }

  #later(delayMs: number): void {
    this.#cancel = this.#clock.setTimer(delayMs, () => void this.#run())
  }

  async #run(): Promise<void> {
    const startMs = this.#clock.elapsedMs()
    await this.#ask()
    if (!this.#isClosed) this.#later(Math.max(PAUSE_MS, PAUSE_PER_ASKING * (this.#clock.elapsedMs() - startMs)))
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }
}
