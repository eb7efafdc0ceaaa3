/** Puts the logins of one source into the table, in small commits one behind the other. What is read while they are on their way waits for the next ones. */
import type { AddressLogout, Login } from '../core/login.ts'
import { reasonOf, VoidCommitError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../lib/clock.ts'
import type { SourcePosition } from '../sources/source.ts'
import { CommitChain, type CommitInput, type CommitResult, type PendingCommit } from '../table/results.ts'

/** Logins that are judged in one go: whoever logs in at another server meanwhile waits for them. Many such commits go to the disk together. */
export const COMMIT_LOGINS = 25
/** So many commits of a source are on their way at most: what others log in meanwhile waits for none of them, but goes to the disk with them. */
const MOST_AHEAD = 6
/** Where so many wait, reading waits for the disk. */
export const MOST_WAITING = 1_000
/** Pause before a failed commit is tried again. */
const RETRY_MS = 1_000

/** What a recorder works with. */
interface RecorderParts {
  readonly sourceId: string
  readonly begin: (input: CommitInput, chain: CommitChain) => PendingCommit
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

  /** Ends logins, after all that was added; resolves when that is written, with false where it will not be. */
  async end(ended: readonly AddressLogout[]): Promise<boolean> {
    return (await this.settled()) && (await this.#writeAllOf([{ logins: [], ended }]))
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
    if (!(await this.#writeAllOf(commitsOf(logins, { sourceId, value: kept })))) return
    this.#recorded = position
    this.#recordedAtMs = clock.elapsedMs()
  }

  /** Tries until all is written; false where it was stopped before. */
  async #writeAllOf(commits: readonly CommitInput[]): Promise<boolean> {
    for (let rest = commits; rest.length > 0 && !this.#isStopped; ) {
      const { written, error } = await this.#attempt(rest)
      rest = rest.slice(written)
      // What went before failed: its own source tells of that, and waits.
      if (error !== undefined && !(error instanceof VoidCommitError)) await this.#pauseAfter(error)
    }
    return !this.#isStopped
  }

  /** Begins the commits in their order, each when the one before is judged; resolves with how many of them are written, and why no more. */
  async #attempt(commits: readonly CommitInput[]): Promise<{ written: number; error: unknown }> {
    const { begin, onCommit } = this.#parts
    const chain = new CommitChain()
    const errors: unknown[] = []
    const writing: Promise<void>[] = []
    let written = 0
    const succeed = (result: CommitResult) => {
      written++
      this.#works()
      onCommit(result)
    }
    for (const [i, commit] of commits.entries()) {
      // It is read again at the next start: a stop takes no longer than this.
      if (this.#signal.aborted && (commits.length - i - 1) * COMMIT_LOGINS > MOST_WAITING) this.#isStopped = true
      const ahead = writing[i - MOST_AHEAD]
      if (ahead !== undefined) await ahead
      if (this.#isStopped || errors.length > 0) break
      const pending = begin(commit, chain)
      writing.push(pending.written.then(succeed, (error: unknown) => void errors.push(error)))
      await pending.judged.catch(() => {})
    }
    await Promise.all(writing)
    return { written, error: errors[0] }
  }

  async #pauseAfter(error: unknown): Promise<void> {
    this.#fail(error)
    if (this.#signal.aborted) this.#isStopped = true
    else await pause(this.#parts.clock, this.#signal)
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

/** In pieces; the position goes with the last. */
function commitsOf(logins: readonly Login[], position: NonNullable<CommitInput['position']>): CommitInput[] {
  const count = Math.max(1, Math.ceil(logins.length / COMMIT_LOGINS))
  const piece = (i: number) => logins.slice(i * COMMIT_LOGINS, (i + 1) * COMMIT_LOGINS)
  return Array.from({ length: count }, (_, i) => ({ logins: piece(i), ...(i === count - 1 ? { position } : {}) }))
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
