/** How long to wait before trying again what failed. */

/** The delays that {@link Backoff} gives. `random` yields values in [0, 1), as Math.random does. */
export interface BackoffOptions {
  readonly firstMs: number
  readonly mostMs: number
  readonly random?: () => number
}

/** Milliseconds to wait after `failures` failures in a row (1 or more): doubling from `firstMs` to `mostMs`, less up to a quarter. */
export function backoffMs(failures: number, options: BackoffOptions): number {
  const doublings = Math.min(Math.max(failures - 1, 0), 40)
  const whole = Math.min(options.mostMs, options.firstMs * 2 ** doublings)
  return Math.round(whole * (1 - (options.random ?? Math.random)() / 4))
}

/** Doubles from `firstMs` to `mostMs`, each shortened by up to a quarter so that many do not come back at once. */
export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Counts one more failure; milliseconds to wait after it. */
  next(): number {
    return backoffMs(++this.#failures, this.#options)
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** To be called at a success. */
  reset(): void {
    this.#failures = 0
  }
}
