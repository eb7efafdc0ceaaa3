/** Logins that were reported and are not committed yet: bounded, taken out in batches. */
import type { Login } from '../../core/login.ts'

/** Most logins that wait; a commit takes milliseconds, so that many wait only where nothing can be committed (a full disk). */
const MOST_WAITING = 10_000

/** How a report ended: `recorded` once its login is in the table's file, `dropped` where the queue was full or is closed. */
export type Recorded = 'recorded' | 'dropped'

interface Waiting {
  readonly login: Login
  readonly settle: (how: Recorded) => void
}

/** One reader takes batches; what it took is settled when it asks for the next, or gives it up by {@link close}. */
export class ReportQueue {
  readonly #most: number
  #waiting: Waiting[] = []
  #taken: readonly Waiting[] = []
  #isClosed = false
  #wake = () => {}

  constructor(most = MOST_WAITING) {
    this.#most = most
  }

  /** Resolves once the login is committed, or at once where there is no room. Never rejects. */
  push(login: Login): Promise<Recorded> {
    if (this.#isClosed || this.#waiting.length + this.#taken.length >= this.#most) return Promise.resolve('dropped')
    return new Promise((settle) => {
      this.#waiting.push({ login, settle })
      this.#wake()
    })
  }

  /** The logins that wait, in the order of their coming; those taken before are settled as recorded. Waits for the first, until `signal` aborts. */
  async take(signal: AbortSignal): Promise<readonly Login[]> {
    this.#settle('recorded')
    if (this.#waiting.length === 0 && !signal.aborted) await this.#next(signal)
    this.#taken = this.#waiting
    this.#waiting = []
    return this.#taken.map(({ login }) => login)
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
