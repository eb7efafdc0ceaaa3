/** Puts the logins of one source into the table: one commit after the other. What is read while one is on its way to the disk goes into the next. */
import type { Login } from '../core/login.ts'
import { reasonOf, VoidCommitError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../lib/clock.ts'
import type { SourcePosition } from '../sources/source.ts'
import type { CommitInput, CommitResult } from '../table/results.ts'

/** Logins of one transaction. More take less of the disk each, but whoever logs in at another server meanwhile waits for them. */
export const COMMIT_LOGINS = 100
/** Where so many wait, reading waits for the disk. */
export const MOST_WAITING = 1_000
/** Pause before a failed commit is tried again. */
const RETRY_MS = 1_000

/** What a recorder works with. */
interface RecorderParts {
  readonly sourceId: string
  readonly commit: (input: CommitInput) => Promise<CommitResult>
  /** Told after each commit. */
  readonly onCommit: (result: CommitResult) => void
  readonly events: Events
  readonly clock: Clock
}

/** Logins that wait, and where reading goes on behind them: the source's own position, and all that is kept with it. */
interface Waiting {
  readonly logins: Login[]
  position: SourcePosition
  kept: unknown
}

/** See the head of this file. A commit that fails is tried until it works: a full disk holds the source up and loses nothing. */
export class Recorder {
  readonly #parts: RecorderParts
  readonly #signal: AbortSignal
  #waiting: Waiting | undefined
  #writing: Promise<void> | undefined
  /** The part of it that was begun last. */
  #current: Promise<void> | undefined
  #isStopped = false
  #recorded: SourcePosition | undefined
  #recordedAtMs = Number.NEGATIVE_INFINITY
  #trouble: string | undefined

  /** After `signal` aborts, what waits is still written where that is little and works at once. */
  constructor(parts: RecorderParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /** The position that was written last, and when (by {@link Clock.elapsedMs}; -Infinity: not yet). */
  get recorded(): { readonly position: SourcePosition | undefined; readonly atMs: number } {
    return { position: this.#recorded, atMs: this.#recordedAtMs }
  }

  /** Why nothing can be written at present. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Takes what was read up to `position`. Resolves at once, unless too much waits already; false where it will not be written any more. */
  async add(logins: readonly Login[], position: SourcePosition, kept: unknown): Promise<boolean> {
    if (this.#isStopped) return false
    this.#waiting ??= { logins: [], position, kept }
    for (const login of logins) this.#waiting.logins.push(login)
    this.#waiting.position = position
    this.#waiting.kept = kept
    this.#writing ??= this.#writeAll()
    while (this.#waiting !== undefined && this.#waiting.logins.length >= MOST_WAITING && !this.#isStopped)
      await this.#current
    return !this.#isStopped
  }

  /** Resolves when all that was added is written; false where it will not be. */
  async settled(): Promise<boolean> {
    await this.#writing
    return !this.#isStopped
  }

  async #writeAll(): Promise<void> {
    for (let next = this.#take(); next !== undefined && !this.#isStopped; next = this.#take()) {
      this.#current = this.#write(next)
      await this.#current
    }
    this.#writing = undefined
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  async #write({ logins, position, kept }: Waiting): Promise<void> {
    const { sourceId, clock } = this.#parts
    const last = Math.max(0, Math.ceil(logins.length / COMMIT_LOGINS) - 1) * COMMIT_LOGINS
    for (let at = 0; at < last; at += COMMIT_LOGINS) {
      // It is read again at the next start: a stop takes no longer than this.
      if (this.#signal.aborted && last - at > MOST_WAITING) this.#isStopped = true
      if (this.#isStopped || !(await this.#commit({ logins: logins.slice(at, at + COMMIT_LOGINS) }))) return
    }
    if (!(await this.#commit({ logins: logins.slice(last), position: { sourceId, value: kept } }))) return
    this.#recorded = position
    this.#recordedAtMs = clock.elapsedMs()
  }

  /** Tries until it works; false where it was stopped before. */
  async #commit(input: CommitInput): Promise<boolean> {
    const { commit, onCommit, clock } = this.#parts
    for (;;) {
      try {
        const result = await commit(input)
        this.#works()
        onCommit(result)
        return true
      } catch (error) {
        // What went before it failed: its own source tells of that, and waits.
        if (error instanceof VoidCommitError) continue
        this.#fail(error)
        if (this.#signal.aborted) {
          this.#isStopped = true
          return false
        }
        await pause(clock, this.#signal)
      }
    }
  }

  #works(): void {
    if (this.#trouble !== undefined) this.#parts.events.notice('the table can be written again')
    this.#trouble = undefined
  }

  #fail(error: unknown): void {
    const problem = reasonOf(error)
    if (this.#trouble !== problem) this.#parts.events.failed('cannot record logins, trying again', problem)
    this.#trouble = problem
  }
}

/** Waits for the next attempt, but no longer than until the stop: the last attempt is made then. */
function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.setTimer(RETRY_MS, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
