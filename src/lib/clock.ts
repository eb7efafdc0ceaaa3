/** Time as a dependency: the system's clock, or one that a test moves by hand. */

/** A source of wall-clock time and timers. */
export interface Clock {
  /** Unix milliseconds. Steps back and forth where somebody sets the clock. */
  now(): number
  /** Milliseconds since some moment; never steps. For how long something takes or has waited. */
  elapsedMs(): number
  /** Calls `callback` once after `delayMs`; returns a function that cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void
}

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
}

/** A clock that moves only by `advance`, `set` or `step`; timers run in order of their time. */
export class ManualClock implements Clock {
  #nowMs: number
  /** How far the wall clock was stepped. */
  #steppedMs = 0
  #timers: { atMs: number; callback: () => void }[] = []

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  elapsedMs(): number {
    return this.#nowMs - this.#steppedMs
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

  /** Sets the wall clock `ms` on or, below 0, back, as an operator or NTP does: no time passes, and timers run when they would have. */
  step(ms: number): void {
    this.#nowMs += ms
    this.#steppedMs += ms
    for (const timer of this.#timers) timer.atMs += ms
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
