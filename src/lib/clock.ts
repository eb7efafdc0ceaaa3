/** Time as a dependency: the system's clock, or one that a test moves by hand. */

/** A source of wall-clock time and timers. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number
  /** Calls `callback` once after `delayMs`; returns a function that cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void
}

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
}

/** A clock that moves only by `advance` or `set`; timers run in order of their time. */
export class ManualClock implements Clock {
  #nowMs: number
  #timers: { atMs: number; callback: () => void }[] = []

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Moves time on by `ms` and runs the timers that fall due, each at its own time. */
  advance(ms: number): void {
    this.set(this.#nowMs + ms)
  }

  /** Sets the time; stepping back runs nothing. */
  set(toMs: number): void {
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= toMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.callback()
    }
    this.#nowMs = toMs
  }
}
