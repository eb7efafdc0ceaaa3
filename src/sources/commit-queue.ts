/** What was told of logins and is not committed yet: bounded, taken out in batches. */

/** Most that wait; a commit takes milliseconds, so that many wait only where nothing can be committed (a full disk). */
const MOST_WAITING = 10_000

/** How it ended: `recorded` once it is in the table's file, `dropped` where the queue was full or is closed. */
export type Recorded = 'recorded' | 'dropped'

interface Waiting<T> {
  readonly told: T
  readonly settle: (how: Recorded) => void
}

/** One reader takes batches; what it took is settled when it asks for the next, or gives it up by {@link close}. */
export class CommitQueue<T> {
  readonly #most: number
  #waiting: Waiting<T>[] = []
  #taken: readonly Waiting<T>[] = []
  #isClosed = false
  #wake = () => {}

  constructor(most = MOST_WAITING) {
    this.#most = most
  }

  /** Resolves once it is committed, or at once where there is no room. Never rejects. */
  push(told: T): Promise<Recorded> {
    if (this.#isClosed || this.#waiting.length + this.#taken.length >= this.#most) return Promise.resolve('dropped')
    return new Promise((settle) => {
      this.#waiting.push({ told, settle })
      this.#wake()
    })
  }

  /** All that waits, in the order of their coming; those taken before are settled as recorded. Waits for the first, until `signal` aborts. */
  async take(signal: AbortSignal): Promise<readonly T[]> {
    this.#settle('recorded')
    if (this.#waiting.length === 0 && !signal.aborted) await this.#next(signal)
    this.#taken = this.#waiting
    this.#waiting = []
    return this.#taken.map(({ told }) => told)
  }

  /** Nothing more is taken in; what waits can still be taken out. */
  refuse(): void {
    this.#isClosed = true
  }

  /** Nothing more is taken in; what was not committed is told so. */
  close(): void {
    this.#isClosed = true
    this.#settle('dropped')
    for (const { settle } of this.#waiting.splice(0)) settle('dropped')
  }

  #settle(how: Recorded): void {
    for (const { settle } of this.#taken) settle(how)
    this.#taken = []
  }

  async #next(signal: AbortSignal): Promise<void> {
    let stop = () => {}
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      stop = resolve
      signal.addEventListener('abort', stop, { once: true })
    })
    signal.removeEventListener('abort', stop)
    this.#wake = () => {}
  }
}
