/** Runs one publisher: gathers bursts, one publish at a time, tries again what failed. Whoever reports a change never waits. */
import type { TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { PublishError, reasonAndMend } from '../errors.ts'
import { Backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import type { Publisher, WholeTable } from './publisher.ts'

/** What a supervisor needs. `events` has the shape of the daemon's Events. */
export interface SupervisorOptions {
  readonly publisher: Publisher
  /** The whole table as it stands. */
  readonly all: WholeTable
  readonly clock: Clock
  /** How long to wait for more before a run; what changes a right waits a second at most. */
  readonly gatherMilliseconds: number
  readonly events: {
    published(publisher: string, changes: number): void
    publishFailed(publisher: string, problem: string, retryInMs: number | undefined): void
  }
}

/** How the copy stands, for `status` and health. */
export interface SupervisorState {
  /** True where everything reported so far has been published. */
  readonly inStep: boolean
  readonly publishedAtMs: number | undefined
  /** Why the last run failed; undefined where it did not. */
  readonly problem: string | undefined
  /** What the operator must mend though the copy follows the table. */
  readonly trouble: string | undefined
}

/** `ended` must reach the map within 2 s, the run itself included. */
const MOST_GATHER_MS = 1000
/** `extended` changes nobody's rights: many of them go into one run, this long before the end that was published at the latest. */
const EXTENDED_MS = 30_000
const BEFORE_END_MS = 5000
const RETRY = { firstMs: 1000, mostMs: 30_000 } as const
/** Past this many changed addresses a full resync costs less than remembering them. */
const MOST_PENDING = 50_000

/** Keeps one publisher fed. Begins with a full resync at the first `resync()` or change. */
export class Supervisor implements AsyncDisposable {
  readonly #options: SupervisorOptions
  readonly #backoff = new Backoff(RETRY)
  readonly #abort = new AbortController()
  #pending = new Map<ClientAddress, TableChange[]>()
  #needsResync = true
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined
  #run: Promise<void> | undefined
  #lastRunMs = 0
  #publishedAtMs: number | undefined
  #problem: string | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  get state(): SupervisorState {
    const inStep = !this.#needsResync && this.#pending.size === 0 && this.#run === undefined
    return {
      inStep,
      publishedAtMs: this.#publishedAtMs,
      problem: this.#problem,
      trouble: this.#options.publisher.trouble,
    }
  }

  /** Takes in one change; it is published soon. Never throws, never waits. */
  changed(change: TableChange): void {
    if (this.#abort.signal.aborted) return
    if (change.kind === 'extended' && this.#options.publisher.needs === 'membership') return
    if (!this.#needsResync) this.#remember(change)
    this.#schedule(this.#delayOf(change))
  }

  /** Asks for a full resync now: at the start, after a reload, or where a file was changed from outside. Does not wait for a retry. */
  resync(): void {
    this.#forget()
    if (this.#run === undefined && !this.#abort.signal.aborted) this.#arm(0)
  }

  // The latest state of an address wins; the users of its logins are kept apart, for access.info.
  #remember(change: TableChange): void {
    const before = this.#pending.get(change.address) ?? []
    if (change.kind === 'ended') this.#pending.set(change.address, [change])
    else {
      const kept = before.filter(({ kind, user }) => kind !== 'extended' || user !== change.user)
      this.#pending.set(change.address, [...kept, change])
    }
    if (this.#pending.size > MOST_PENDING) this.#forget()
  }

  #forget(): void {
    this.#needsResync = true
    this.#pending = new Map()
  }

  // A run that takes long is followed by a pause of its length, so that publishing never takes all of a processor.
  #gatherMs(): number {
    return Math.min(MOST_GATHER_MS, Math.max(this.#options.gatherMilliseconds, this.#lastRunMs))
  }

  #schedule(delayMs: number): void {
    if (this.#run !== undefined || this.#abort.signal.aborted) return
    // While a retry is waited for, changes do not bring it forward.
    const atMs = this.#options.clock.elapsedMs() + delayMs
    if (this.#timer !== undefined && (this.#backoff.failures > 0 || this.#timer.atMs <= atMs)) return
    this.#arm(delayMs)
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    const atMs = this.#options.clock.elapsedMs() + delayMs
    this.#timer = { atMs, cancel: this.#options.clock.setTimer(delayMs, () => void this.#start()) }
  }

  #start(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#run ??= this.#publish().finally(() => {
      this.#run = undefined
      if (this.#problem === undefined) this.#continue()
    })
    return this.#run
  }

  // What came in during a run.
  #continue(): void {
    const waiting = [...this.#pending.values()].flat()
    if (this.#needsResync || waiting.some(({ kind }) => kind !== 'extended')) this.#schedule(this.#gatherMs())
    else if (waiting.length > 0) this.#schedule(Math.min(...waiting.map((change) => this.#delayOf(change))))
  }

  #delayOf({ kind, beforeMs }: TableChange): number {
    if (kind !== 'extended') return this.#gatherMs()
    const leftMs = beforeMs === undefined ? EXTENDED_MS : beforeMs - this.#options.clock.now() - BEFORE_END_MS
    return Math.max(this.#gatherMs(), Math.min(EXTENDED_MS, leftMs))
  }

  async #publish(): Promise<void> {
    const { publisher, all, clock, events } = this.#options
    const changes = [...this.#pending.values()].flat()
    const isWhole = this.#needsResync
    this.#pending = new Map()
    this.#needsResync = false
    const startMs = clock.elapsedMs()
    try {
      if (isWhole) await publisher.resync(all, this.#abort.signal)
      else await publisher.publish(changes, all, this.#abort.signal)
      this.#succeeded(clock.elapsedMs() - startMs)
      events.published(publisher.name, changes.length)
    } catch (error) {
      this.#failed(error)
    }
  }

  #succeeded(tookMs: number): void {
    this.#lastRunMs = tookMs
    this.#publishedAtMs = this.#options.clock.now()
    this.#problem = undefined
    this.#backoff.reset()
  }

  #failed(error: unknown): void {
    this.#forget()
    this.#problem = reasonAndMend(error)
    if (this.#abort.signal.aborted) return
    const isRetryable = !(error instanceof PublishError) || error.retryable
    const retryInMs = isRetryable ? this.#backoff.next() : undefined
    this.#options.events.publishFailed(this.#options.publisher.name, this.#problem, retryInMs)
    if (retryInMs !== undefined) this.#arm(retryInMs)
  }

  /**
   * Publishes at once what is waiting (without gathering, without waiting for a retry) and resolves when that is over: true where the copy
   * is in step with everything reported before the call, false where publishing failed or has been stopped.
   */
  async settled(): Promise<boolean> {
    await this.#run
    while (this.#needsResync || this.#pending.size > 0) {
      if (this.#abort.signal.aborted) return false
      await this.#start()
      if (this.#problem !== undefined) return false
    }
    return this.#problem === undefined
  }

  /** Stops: what runs is given up, what waits is forgotten. Call `settled()` first to have it published. The publisher stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#abort.abort()
    await this.#run
  }
}
