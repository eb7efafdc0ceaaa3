/** The control contract without a daemon: the table opened directly, and the maps kept in step as the daemon would. */
import { defaultNeverNetworks } from '../admission/never.ts'
import { networksForMaps } from '../admission/open-networks.ts'
import { type AdmissionPolicy, policyOf } from '../admission/policy.ts'
import type { Config, SourceConfig } from '../config/config.ts'
import { sourceId, sourceName } from '../config/source-names.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { MapBehindError, PopauthdError, TableError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { takeStateLock } from '../lib/state-lock.ts'
import { version } from '../lib/version.ts'
import { type PublisherParts, type Publishers, publishersFor } from '../publishers/for-config.ts'
import { FormerMaps } from '../publishers/former/former-maps.ts'
import { alwaysOf, sayAlways } from '../publishers/say-always.ts'
import { AuthorizationTable } from '../table/authorization-table.ts'
import type * as Api from './api-types.ts'
import type { ControlTarget } from './control-target.ts'
import { isNeverSetUp } from './never-set-up.ts'
import { closeFormerMaps, closePublishers, noteMaps, syncMaps } from './offline-maps.ts'
import { TableTarget } from './table-target.ts'

/** `read` takes no lock. `write` takes the lock of the state directory. `prune` also makes do with a damaged table. */
export type OfflineUse = 'read' | 'write' | 'prune'

/** What publishers have to say about entries that they moved or left out. */
export type Notice = PublisherParts['notice']

/** A target that must be given back: it holds the table. */
export type OfflineTarget = ControlTarget & AsyncDisposable

/**
 * Opens the table where no daemon runs.
 * @throws {TableError} it is damaged (but for `prune`), or another process holds it: a daemon that is starting, or one that hangs
 */
export async function openOfflineTarget(
  config: Config,
  use: OfflineUse,
  clock: Clock,
  notice: Notice,
): Promise<OfflineTarget> {
  if (use === 'prune' && isNeverSetUp(config)) return emptyTarget(config)
  let table: AuthorizationTable | undefined
  const isKnown = (address: ClientAddress) => table === undefined || table.record(address) !== undefined
  const parts = { clock, isKnown, notice }
  const publishers = publishersFor(config, parts)
  try {
    const policy = await offlinePolicy(config, publishers)
    table = await AuthorizationTable.open({ directory: config.stateDirectory, clock, policy, readOnly: use === 'read' })
    const networks = networksForMaps(policy, table.decisions(), clock.now())
    for (const { publisher } of publishers.all) sayAlways(publisher, alwaysOf(publisher, publishers, networks), notice)
    return new OpenTable(config, clock, table, publishers, new FormerMaps(config, parts))
  } catch (error) {
    await closePublishers(publishers)
    await table?.[Symbol.asyncDispose]()
    if (use !== 'prune' || !(error instanceof PopauthdError)) throw error
    return closingTarget(config, clock, error, notice)
  }
}

/** The daemon's policy. A static file that cannot be read is an error: what it forbids must not open. */
async function offlinePolicy(config: Config, { sendmail }: Publishers): Promise<AdmissionPolicy> {
  await sendmail?.loadStatic()
  const veto = (address: ClientAddress, prefixLength: number) =>
    sendmail?.staticEntries.vetoFor(address, prefixLength)?.entry
  const never = config.admission.neverDefaults ? defaultNeverNetworks() : undefined
  return policyOf(config, never, veto, sendmail?.staticEntries.networks)
}

class OpenTable implements OfflineTarget {
  readonly #config: Config
  readonly #table: AuthorizationTable
  readonly #target: TableTarget
  readonly #publishers: Publishers
  readonly #former: FormerMaps

  constructor(config: Config, clock: Clock, table: AuthorizationTable, publishers: Publishers, former: FormerMaps) {
    this.#config = config
    this.#table = table
    this.#publishers = publishers
    this.#former = former
    this.#target = new TableTarget({ table, clock, onChanges: () => {} }) // the maps are made from the whole table afterwards
  }

  list(): AsyncIterable<Api.ListEntry> {
    return this.#target.list()
  }

  check(address: ClientAddress): Promise<Api.CheckAnswer> {
    return this.#target.check(address)
  }

  why(address: ClientAddress): Promise<Api.WhyAnswer> {
    return this.#target.why(address)
  }

  async decide(request: Api.DecisionRequest): Promise<Api.DecisionAnswer> {
    return this.#withMaps(await this.#target.decide(request))
  }

  async flush(): Promise<Api.FlushAnswer> {
    return this.#withMaps(await this.#target.flush())
  }

  async importLogins(logins: readonly Login[]): Promise<Api.ImportAnswer> {
    return this.#withMaps(await this.#target.importLogins(logins))
  }

  async status(): Promise<Api.StatusAnswer> {
    const { addresses, fileBytes } = this.#table.stats()
    const authorized = await this.#target.countAuthorized()
    const decisions = this.#table.decisions().length
    return {
      daemon: false,
      ready: false,
      version,
      stateDirectory: this.#config.stateDirectory,
      windowSeconds: this.#config.windowSeconds,
      whenStopped: this.#config.whenStopped,
      table: { addresses, authorized, decisions, bytes: fileBytes },
      sources: this.#config.sources.map((source) => this.#sourceStatus(source)),
      publishers: [],
      responders: [],
      counters: {},
    }
  }

  async prune(): Promise<Api.PruneAnswer> {
    const swept = await this.#sweep()
    await noteMaps(this.#former)
    const [maps, former] = await Promise.all([this.#syncMaps(), closeFormerMaps(this.#former)])
    // Closing may have touched what one that is kept fills as well: a command, told by another name.
    const latest = former.some(({ state }) => state === 'closed') ? await this.#syncMaps() : maps
    const authorized = await this.#target.countAuthorized()
    return { daemon: false, ...swept, authorized, maps: [...latest, ...former] }
  }

  // What is over opens nothing, swept or not: the maps must not wait until the disk has room.
  async #sweep(): Promise<Pick<Api.PruneAnswer, 'removed' | 'problem'>> {
    try {
      return { removed: await this.#target.sweep() }
    } catch (error) {
      if (!(error instanceof TableError)) throw error
      return { removed: 0, problem: problemText(error) }
    }
  }

  /** What a source's position was when the daemon ended. */
  #sourceStatus(source: SourceConfig): Api.SourceStatus {
    const id = sourceId(source)
    const kept = this.#table.position(id) as { readonly source?: Api.SourceStatus['position'] } | undefined
    return { id, origin: sourceName(source), position: kept?.source ?? null, caughtUp: false }
  }

  async #withMaps<T>(answer: T): Promise<T> {
    const maps = [...(await noteMaps(this.#former)), ...(await this.#syncMaps())]
    const failing = maps.find(({ state }) => state === 'failing')
    if (failing === undefined) return answer
    throw new MapBehindError(`it is in the table, but the map ${failing.name} could not follow: ${failing.problem}`, {
      answer,
      mend: 'popauthd prune tries again',
    })
  }

  #syncMaps(): Promise<Api.PruneAnswer['maps']> {
    const stays = this.#config.whenStopped === 'until_expiry'
    return syncMaps(this.#publishers, stays ? () => this.#table.authorizations() : undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closePublishers(this.#publishers)
    await this.#table[Symbol.asyncDispose]()
  }
}

/**
 * A target that can only close the maps: the table cannot be opened, and what it no longer tells must not stay open.
 * @throws {TableError} where another process holds the state directory: the maps are that one's
 */
function closingTarget(config: Config, clock: Clock, trouble: PopauthdError, notice: Notice): OfflineTarget {
  const lock = takeLock(config.stateDirectory, trouble)
  const parts = { clock, isKnown: () => true, notice }
  const publishers = publishersFor(config, parts)
  const former = new FormerMaps(config, parts)
  return {
    ...allFailing(trouble),
    async prune() {
      const maps = (await Promise.all([syncMaps(publishers, undefined), closeFormerMaps(former)])).flat()
      return { daemon: false, problem: problemText(trouble), removed: 0, authorized: 0, maps }
    },
    async [Symbol.asyncDispose]() {
      await closePublishers(publishers)
      lock[Symbol.dispose]()
    },
  }
}

/** A target that can only prune, and finds nothing to do. */
function emptyTarget({ stateDirectory }: Config): OfflineTarget {
  const nothing = `nothing to do: there is no state directory ${stateDirectory}, and no map`
  return {
    ...allFailing(new TableError(nothing, { mend: 'start popauthd once: it makes one' })),
    prune: async () => ({ daemon: false, nothing, removed: 0, authorized: 0, maps: [] }),
    async [Symbol.asyncDispose]() {},
  }
}

function allFailing(trouble: PopauthdError): Omit<ControlTarget, 'prune'> {
  const fail = (): Promise<never> => Promise.reject(trouble)
  return {
    status: fail,
    check: fail,
    why: fail,
    decide: fail,
    flush: fail,
    importLogins: fail,
    // biome-ignore lint/correctness/useYield: it fails before the first
    async *list() {
      throw trouble
    },
  }
}

function takeLock(directory: string, trouble: PopauthdError): Disposable {
  try {
    return takeStateLock(directory)
  } catch (error) {
    throw error instanceof TableError ? error : trouble
  }
}

function problemText(trouble: PopauthdError): string {
  return trouble.mend === undefined ? trouble.message : `${trouble.message}; ${trouble.mend}`
}
