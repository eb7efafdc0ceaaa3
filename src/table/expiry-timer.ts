/** Calls for a sweep when something ends, without traffic, and whatever the wall clock does meanwhile. */
import { Backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'

/** Longest sleep: a clock that steps is noticed within this time, and no timer overflows. */
const LONGEST_MS = 60_000
/** Shortest time between sweeps: ends that come in quick succession are told together, well within two seconds. */
const GATHER_MS = 250
/** Waits after sweeps that failed. */
const RETRY = { firstMs: 1000, mostMs: 30_000, random: () => 0 }

/** What the timer works with. */
export interface ExpiryTimerOptions {
  readonly clock: Clock
  /** When there is work next, Unix milliseconds (in the past: now); undefined: not before something else wakes the timer. */
  readonly nextMs: () => number | undefined
  /** Does a piece of the work and passes on what changed. Never called while an earlier call runs. */
  readonly sweep: () => Promise<void>
  readonly onError: (error: unknown) => void
}

/** Runs from `start` until disposed. Call `wake` after each commit: what was committed may end earlier than all before. */
export class ExpiryTimer implements AsyncDisposable {
  readonly #options: ExpiryTimerOptions
  readonly #backoff = new Backoff(RETRY)
  #cancel: (() => void) | undefined
  #armedForMs = Infinity
  #running: Promise<void> | undefined
  #isStopped = true

  constructor(options: ExpiryTimerOptions) {
    this.#options = options
  }

  start(): void {
    this.#isStopped = false
    this.#arm(0)
  }

  /** Arms for an earlier time if there is one now. Cheap. */
  wake(): void {
    if (this.#isStopped || this.#running !== undefined) return
    const next = this.#next()
    if (next !== undefined && next < this.#armedForMs) this.#arm(0)
  }

  /** Stops; resolves once a sweep that runs has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#running
  }

  /** Sleeps until there is work, at least `leastMs` and at most a minute. */
  #arm(leastMs: number): void {
    this.#cancel?.()
    if (this.#isStopped) return
    const nowMs = this.#options.clock.now()
    const delayMs = Math.min(LONGEST_MS, Math.max(leastMs, (this.#next() ?? Infinity) - nowMs))
    this.#armedForMs = nowMs + delayMs
    this.#cancel = this.#options.clock.setTimer(delayMs, () => this.#fire())
  }

  #fire(): void {
    this.#running = this.#work().then((waitMs) => {
      this.#running = undefined
      this.#arm(waitMs)
    })
  }

  /** Sweeps even when nothing seems due: that notices a clock that went back. Returns how long to wait at least. */
  async #work(): Promise<number> {
    try {
      do await this.#options.sweep()
      while (!this.#isStopped && (this.#next() ?? Infinity) <= this.#options.clock.now())
      this.#backoff.reset()
      return GATHER_MS
    } catch (error) {
      this.#options.onError(error)
      return this.#backoff.next()
    }
  }

  #next(): number | undefined {
    try {
      return this.#options.nextMs()
    } catch (error) {
      this.#options.onError(error)
      return undefined
    }
  }
}
