/** All maps of a running daemon, each with its supervisor: told of changes, brought in step, closed. */
import type { TableChange } from '../core/authorization.ts'
import type { Network } from '../core/client-address.ts'
import type { Clock } from '../lib/clock.ts'
import { inTime } from '../lib/in-time.ts'
import { Lifecycle } from '../lib/lifecycle.ts'
import type { Publishers } from './for-config.ts'
import type { FormerMaps } from './former/former-maps.ts'
import { FormerMapsPublisher } from './former/former-maps-publisher.ts'
import type { Publisher } from './publisher.ts'
import { type AlwaysOpen, alwaysOf, type Notice, sayAlways } from './say-always.ts'
import { Supervisor, type SupervisorOptions } from './supervisor.ts'

/** What maps need besides their publishers. */
type PublishingOptions = Pick<SupervisorOptions, 'all' | 'clock'> & {
  readonly events: SupervisorOptions['events'] & { notice: Notice }
  /** Maps that are no longer configured, to be closed. */
  readonly former: Pick<FormerMaps, 'note' | 'close'>
}

/** A supervisor and whose it is. */
export interface NamedSupervisor {
  readonly name: string
  readonly supervisor: Supervisor
}

/** At the end what waits to be published is waited for this long, then given up; closing takes no longer either. systemd kills after 30 seconds. */
const SETTLE_MS = 10_000
const CLOSE_MS = 10_000

/** Owns the publishers: disposing closes them. */
export class Publishing implements AsyncDisposable {
  readonly #supervisors: readonly NamedSupervisor[]
  readonly #former: PublishingOptions['former']
  readonly #formerMaps: NamedSupervisor
  readonly #publishers: Publishers
  readonly #clock: Clock
  readonly #notice: Notice
  readonly #parts = new Lifecycle()
  #always: AlwaysOpen | undefined

  constructor(publishers: Publishers, options: PublishingOptions) {
    this.#publishers = publishers
    this.#clock = options.clock
    this.#notice = (message, fields) => options.events.notice(message, fields)
    const supervise = ({ publisher, gatherMilliseconds }: Publishers['all'][number]): NamedSupervisor => {
      this.#parts.use(publisher)
      const supervisor = new Supervisor({ publisher, gatherMilliseconds, ...options })
      return { name: publisher.name, supervisor: this.#parts.use(supervisor) }
    }
    this.#supervisors = publishers.all.map(supervise)
    this.#former = options.former
    const onClosed = () => this.#resyncMaps()
    const former = new FormerMapsPublisher(options.former, { notice: this.#notice, onClosed })
    this.#formerMaps = supervise({ publisher: former, gatherMilliseconds: 0 })
  }

  /** Those of the maps, and that of the former ones while there is something to be done about them. */
  get supervisors(): readonly NamedSupervisor[] {
    const { inStep, problem } = this.#formerMaps.supervisor.state
    return inStep && problem === undefined ? this.#supervisors : [...this.#supervisors, this.#formerMaps]
  }

  /**
   * Brings every map in step for the first time, and keeps an eye on what others do to it. Resolves when each was tried once. What is no longer
   * configured is closed beside that.
   */
  async start(): Promise<void> {
    // Before the first address stands in any of them. Where that fails, the supervisor tells, and tries again.
    await this.#former.note().catch(() => {})
    this.#formerMaps.supervisor.resync()
    for (const [index, { publisher }] of this.#publishers.all.entries()) {
      const supervisor = this.#supervisors[index]?.supervisor
      publisher.watch?.(() => supervisor?.resync())
      supervisor?.resync()
    }
    await this.settled()
  }

  /** Takes in one change of the table. Never throws, never waits. */
  changed(change: TableChange): void {
    for (const { supervisor } of this.#supervisors) supervisor.changed(change)
  }

  /** Begins to make every map anew, and to close what could not be closed before. */
  resync(): void {
    this.#resyncMaps()
    this.#formerMaps.supervisor.resync()
  }

  #resyncMaps(): void {
    for (const { supervisor } of this.#supervisors) supervisor.resync()
  }

  /** Nothing changes. @throws {UsageError} where a map cannot say one of these networks that may relay without a login */
  checkAlways(networks: readonly Network[]): void {
    for (const { publisher } of this.#publishers.all) {
      try {
        publisher.setAlways(networks)
      } finally {
        sayAlways(publisher, this.#alwaysOf(publisher), () => {})
      }
    }
  }

  /** Takes the networks that may relay without a login; where they are others than before, every map is made anew. See {@link sayAlways}. */
  setAlways(networks: AlwaysOpen): void {
    const before = this.#always
    if (before === networks || (before !== undefined && textOf(before) === textOf(networks))) return
    this.#always = networks
    for (const { publisher } of this.#publishers.all) sayAlways(publisher, this.#alwaysOf(publisher), this.#notice)
    if (before !== undefined) this.#resyncMaps()
  }

  #alwaysOf(publisher: Publisher): readonly Network[] {
    return alwaysOf(publisher, this.#publishers, this.#always)
  }

  /** Publishes what is waiting and resolves when that is over, or failed. */
  async settled(): Promise<void> {
    await Promise.all(this.#supervisors.map(({ supervisor }) => supervisor.settled()))
  }

  /** As {@link settled}, but a map that hangs is waited for 10 seconds only. */
  async settledSoon(): Promise<void> {
    await inTime(this.settled(), SETTLE_MS, this.#clock)
  }

  /** Takes everybody out of every map, for good: nothing is published any more. @throws the first failure, after all were tried */
  async closeAll(): Promise<void> {
    // What is being published is given up first: it would open the map again, or meet the closing in the same file.
    await Promise.all(this.#supervisors.map(({ supervisor }) => supervisor[Symbol.asyncDispose]()))
    const signal = AbortSignal.timeout(CLOSE_MS)
    const results = await Promise.allSettled(this.#publishers.all.map(({ publisher }) => publisher.closeAll(signal)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts[Symbol.asyncDispose]()
  }
}

function textOf({ accessMap, others }: AlwaysOpen): string {
  return [accessMap, others].map((networks) => networks.map(({ text }) => text).join(' ')).join(', ')
}
