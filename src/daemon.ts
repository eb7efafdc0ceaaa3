/** The composition root: a configuration becomes parts, started in order and stopped in reverse. No logic of its own. */

import { ControlServer } from './admin/control-server.ts'
import { DaemonTarget, type DaemonView } from './admin/daemon-target.ts'
import { defaultNeverNetworks, sameNetworks } from './admission/never.ts'
import { NetworksForMaps } from './admission/open-networks.ts'
import { type AdmissionPolicy, policyOf, tableAddress } from './admission/policy.ts'
import type { Config, SourceConfig } from './config/config.ts'
import { changedOptions, type LoadedConfig, reloadedConfig } from './config/load.ts'
import { sourceName } from './config/source-names.ts'
import type { TableChange } from './core/authorization.ts'
import type { ClientAddress } from './core/client-address.ts'
import { StaticEntries } from './core/static-entries.ts'
import type { DaemonOptions } from './daemon-options.ts'
import { reasonAndMend, SourceError } from './errors.ts'
import { Events } from './events.ts'
import { Intake } from './intake/intake.ts'
import { parsersFor } from './intake/source-parsers.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { Lifecycle } from './lib/lifecycle.ts'
import { version } from './lib/version.ts'
import { createLogger, type Logger } from './log.ts'
import { allParsers } from './parsers/custom/index.ts'
import { selectParsers } from './parsers/index.ts'
import { LoginScanner } from './parsers/scanner.ts'
import { publishersFor } from './publishers/for-config.ts'
import { FormerMaps, type FormerMapsParts } from './publishers/former/former-maps.ts'
import { Publishing } from './publishers/publishing.ts'
import { AskedLog } from './responders/asked-log.ts'
import { responderFor } from './responders/for-config.ts'
import type { RelayDecision } from './responders/policy/protocol.ts'
import type { Responder } from './responders/responder.ts'
import { ResponderServer } from './responders/responder-server.ts'
import { socketmapProtocol } from './responders/socketmap/protocol.ts'
import { sourceFor } from './sources/for-config.ts'
import { discoverLog } from './sources/log-discovery.ts'
import type { Source, SourceNotice } from './sources/source.ts'
import { AuthorizationTable } from './table/authorization-table.ts'
import { ExpiryTimer } from './table/expiry-timer.ts'

/** The host's own addresses come and go; they are asked for this often. */
const NEVER_REFRESH_MS = 60_000
/** Reading what came while the daemon was away leaves lookups unsure for this long at most. */
const LONGEST_UNSURE_MS = 60_000
/** The first publish is waited for this long, then reading begins beside it. */
const FIRST_PUBLISH_MS = 10_000

/**
 * Runs the daemon until `options.signal` aborts; resolves once everything is committed, published and closed.
 * @throws {PopauthdError} where a part cannot start: nothing stays behind
 */
export async function runDaemon(loaded: LoadedConfig, options: DaemonOptions): Promise<void> {
  await using daemon = new Daemon(loaded, options)
  await daemon.start()
  await daemon.finished()
}

class Daemon implements AsyncDisposable {
  readonly #options: DaemonOptions
  readonly #clock: Clock = systemClock
  readonly #logger: Logger
  readonly #events: Events
  readonly #parts = new Lifecycle()
  readonly #stop = new AbortController()
  readonly #startedAtMs = systemClock.now()
  readonly #startedElapsedMs = systemClock.elapsedMs()
  #loaded: LoadedConfig
  #never = defaultNeverNetworks()
  #static = StaticEntries.none
  #table!: AuthorizationTable
  #timer!: ExpiryTimer
  #publishing!: Publishing
  readonly #responders: Responder[] = []
  readonly #asked = new AskedLog()
  readonly #networksForMaps = new NetworksForMaps()
  readonly #intakes: Intake[] = []
  /** Of each source, and of all: fails with the first of them. */
  #readings: Promise<void>[] = []
  #reading: Promise<void> = Promise.resolve()
  /** One follows the other: the last configuration wins, however long the one before took to read. */
  #reloading: Promise<void> = Promise.resolve()
  #isReady = false

  constructor(loaded: LoadedConfig, options: DaemonOptions) {
    this.#loaded = loaded
    this.#options = options
    this.#logger = createLogger(loaded.config.log)
    this.#events = new Events(this.#logger, this.#clock)
  }

  get #config(): Config {
    return this.#loaded.config
  }

  /** Opens what was there before anything new is read: table, static entries, sockets, then the logs. */
  async start(): Promise<void> {
    const { stateDirectory, control } = this.#config
    this.#events.starting(version, stateDirectory)
    for (const warning of this.#options.warnings) this.#events.notice(warning)
    const sources = await this.#sourceConfigs()
    await this.#openTable()
    await this.#startResponders()
    await this.#startPublishing()
    const target = new DaemonTarget(this.#view())
    const server = new ControlServer(target, control, (error) => this.#failed('control request failed', error))
    await server.start()
    this.#parts.use(server)
    this.#startTimers()
    this.#startReading(sources)
    this.#options.onReading?.(() => target.stateWords())
    this.#parts.defer(this.#options.onReload(() => this.#reloadNext()))
  }

  /** Resolves when the daemon was told to stop, or rejects when a log can never be read. */
  async finished(): Promise<void> {
    const { signal } = this.#options
    await Promise.race([this.#stopped(), this.#reading])
    this.#events.stopping(signal.aborted ? String(signal.reason) : 'the log has ended')
  }

  /** Resolves when the daemon was told to stop. */
  #stopped(): Promise<void> {
    const { signal } = this.#options
    return new Promise((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  async #openTable(): Promise<void> {
    const { stateDirectory } = this.#config
    this.#table = await AuthorizationTable.open({
      directory: stateDirectory,
      clock: this.#clock,
      policy: this.#policy(),
    })
    this.#parts.use(this.#table)
    const parts: FormerMapsParts = {
      clock: this.#clock,
      isKnown: (address) => this.#table.record(address) !== undefined,
      notice: (message, fields) => this.#events.notice(message, fields),
    }
    const publishers = publishersFor(this.#config, {
      ...parts,
      onStatic: (entries) => {
        this.#static = entries
        void this.#judgeAnew()
      },
    })
    const all = () => this.#table.authorizations()
    this.#publishing = new Publishing(publishers, {
      all,
      clock: this.#clock,
      events: this.#events,
      former: new FormerMaps(this.#config, parts),
    })
    this.#parts.use(this.#publishing)
    this.#openAlways()
    if (publishers.sendmail === undefined) return
    await publishers.sendmail.loadStatic()
    await this.#judgeAnew()
  }

  /** Networks that may relay without a login stand in the maps, without what an operator has blocked. */
  #openAlways(): void {
    const { policy } = this.#table
    this.#publishing.setAlways(this.#networksForMaps.of(policy, this.#table.decisions(), this.#clock.now()))
  }

  #policy(): AdmissionPolicy {
    const veto = (address: ClientAddress, prefixLength: number) => {
      const found = this.#static.vetoFor(address, prefixLength)
      return found && `${found.entry} (access.static, line ${found.line})`
    }
    return policyOf(this.#config, this.#never, veto, this.#static.networks)
  }

  async #judgeAnew(): Promise<void> {
    try {
      const judging = this.#table.reconfigure(this.#policy())
      // The policy is in force already; going over the table may take long, or fail.
      this.#openAlways()
      this.#dispatch(await judging)
    } catch (error) {
      this.#failed('cannot judge the table anew', error)
    }
  }

  async #startPublishing(): Promise<void> {
    // What `access` holds by hand is taken over before the first new login is read; a makemap that hangs does not hold the logs up.
    const waited = new Promise<void>((resolve) => {
      this.#parts.defer(this.#clock.setTimer(FIRST_PUBLISH_MS, resolve))
    })
    await Promise.race([this.#publishing.start(), waited, this.#stopped()])
  }

  async #startResponders(): Promise<void> {
    const { socketmap, lookups } = this.#config
    const clock = this.#clock
    const lookup = this.#lookup
    const onRelay = (decision: RelayDecision) => this.#events.relayed(decision)
    const responders = lookups.map((config) => responderFor(config, { lookup, clock, onRelay }))
    if (socketmap.enabled) {
      const { maxConnections } = socketmap
      const inherited = this.#options.sockets.get('socketmap')
      const protocol = socketmapProtocol('socketmap')
      responders.unshift(new ResponderServer({ protocol, at: socketmap, maxConnections, inherited, clock, lookup }))
    }
    for (const responder of responders) {
      await responder.start()
      this.#responders.push(responder)
      this.#parts.use(responder)
    }
  }

  readonly #lookup = (address: ClientAddress) => {
    const verdict = this.#table.lookup(address)
    // Who is unknown while the logs are read may have logged in while the daemon was away: to be asked about again.
    if (verdict.reason === 'unknown' && this.#isCatchingUp()) return undefined
    const { ipv6Prefix } = this.#config.admission
    if (verdict.authorized) this.#asked.note(tableAddress(address, ipv6Prefix), this.#clock.now())
    return verdict
  }

  #isCatchingUp(): boolean {
    return !this.#isReady && this.#clock.elapsedMs() - this.#startedElapsedMs < LONGEST_UNSURE_MS
  }

  #startTimers(): void {
    this.#timer = new ExpiryTimer({
      clock: this.#clock,
      nextMs: () => this.#table.nextExpiryMs(),
      sweep: async () => this.#decided(await this.#table.sweep()),
      onError: (error) => {
        this.#failed('cannot sweep the table', error)
        // Maps are made of what is in time: who is not must not stay in them until the table can be written.
        this.#publishing.resync()
      },
    })
    this.#parts.use(this.#timer)
    this.#timer.start()
    const refresh = setInterval(() => this.#refreshNever(), NEVER_REFRESH_MS)
    this.#parts.defer(() => clearInterval(refresh))
  }

  #refreshNever(): void {
    const fresh = defaultNeverNetworks()
    if (sameNetworks(fresh, this.#never)) return
    this.#never = fresh
    void this.#judgeAnew()
  }

  /** What the operator named, or what this host has. */
  async #sourceConfigs(): Promise<readonly (SourceConfig | 'stdin')[]> {
    if (this.#options.readStdin) return ['stdin']
    if (this.#config.sources.length > 0) return this.#config.sources
    const found = await discoverLog()
    if (found === undefined) {
      throw new SourceError(
        'there is no mail log to follow: no /var/log/mail.log, maillog or messages, and no journal',
        {
          mend: 'name the log with --log FILE, or under `sources` in the configuration',
        },
      )
    }
    const rest = { timezone: 'local', servers: [] }
    return [found.kind === 'file' ? { kind: 'file', path: found.path, ...rest } : { kind: 'journal', ...rest }]
  }

  #startReading(configs: readonly (SourceConfig | 'stdin')[]): void {
    let behind = configs.length
    const known = allParsers(this.#config.formats)
    for (const config of configs) {
      const source = this.#parts.use(this.#openSource(config))
      const servers = config !== 'stdin' && config.servers.length > 0 ? config.servers : this.#config.servers
      const parsers = parsersFor(config, selectParsers(servers, known))
      const timezone = config === 'stdin' ? 'local' : config.timezone
      const intake = new Intake({
        source,
        name: config === 'stdin' ? 'standard input' : sourceName(config),
        scanner: new LoginScanner({ parsers, timezone, logouts: true }),
        servers: parsers.map(({ id }) => id),
        timezone,
        table: this.#table,
        events: this.#events,
        clock: this.#clock,
        onChanges: (changes) => this.#dispatch(changes),
        onCaughtUp: () => {
          behind--
          if (behind === 0) this.#ready()
        },
      })
      this.#intakes.push(intake)
    }
    this.#readings = this.#intakes.map((intake) => intake.run(this.#stop.signal))
    this.#reading = Promise.all(this.#readings).then(() => {})
    this.#reading.catch(() => {})
  }

  #openSource(config: SourceConfig | 'stdin'): Source {
    const id = config === 'stdin' ? 'standard input' : sourceName(config)
    const notice = (notice: SourceNotice) => this.#events.source(id, notice)
    const backlogMs = this.#config.windowSeconds * 1000
    return sourceFor(config, { clock: this.#clock, notice, backlogMs, lookup: this.#lookup })
  }

  #ready(): void {
    this.#isReady = true
    const following = this.#intakes.map(({ status }) => status.origin ?? status.id)
    this.#events.ready({
      following: following.join(', '),
      control: this.#config.control.path,
      ...(this.#config.socketmap.enabled ? { socketmap: this.#config.socketmap.path } : {}),
      ...(this.#config.sendmailAccess.enabled ? { map: this.#config.sendmailAccess.path } : {}),
    })
    this.#options.onReady(following)
  }

  /** Each change of the table comes by here: it is told, published, and may end earlier than all before it. */
  #dispatch(changes: readonly TableChange[]): void {
    for (const change of changes) {
      this.#events.changed(change)
      this.#publishing.changed(change)
    }
    this.#timer?.wake()
  }

  /** Changes that may come with a decision that began or ended. */
  #decided(changes: readonly TableChange[]): void {
    this.#dispatch(changes)
    this.#openAlways()
  }

  #reloadNext(): void {
    this.#reloading = this.#reloading.then(() => this.#reload())
  }

  async #reload(): Promise<void> {
    try {
      const fresh = await this.#options.reload()
      const changed = changedOptions(this.#loaded.values, fresh.values)
      const waiting = changed.filter(({ effect }) => effect === 'restart').map(({ path }) => path)
      this.#publishing.checkAlways(fresh.config.admission.always)
      this.#loaded = { ...fresh, config: reloadedConfig(this.#config, fresh.config) }
      this.#logger.level = fresh.config.log.level
      await this.#judgeAnew()
      this.#publishing.resync()
      for (const warning of fresh.warnings) this.#events.notice(warning)
      this.#events.reloaded()
      if (waiting.length > 0) this.#events.notice('these options take effect at the next start', { options: waiting })
    } catch (error) {
      this.#events.reloadFailed(reasonAndMend(error))
    }
  }

  #failed(message: string, error: unknown): void {
    this.#events.failed(message, reasonAndMend(error))
  }

  #view(): DaemonView {
    return {
      table: this.#table,
      clock: this.#clock,
      events: this.#events,
      startedAtMs: this.#startedAtMs,
      isReady: () => this.#isReady,
      config: () => this.#config,
      intakes: this.#intakes,
      responders: this.#responders,
      supervisors: () => this.#publishing.supervisors,
      onChanges: (changes) => this.#decided(changes),
      asked: (address) => this.#asked.of(address),
    }
  }

  /** Stops reading, commits, brings the map to where `when_stopped` wants it, and closes all in reverse order. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#readings)
    await this.#leaveMaps()
    await this.#parts[Symbol.asyncDispose]()
  }

  async #leaveMaps(): Promise<void> {
    try {
      await this.#publishing?.settledSoon()
      if (this.#config.whenStopped === 'close') await this.#publishing?.closeAll()
    } catch (error) {
      this.#failed('cannot bring the maps in step before stopping', error)
    }
  }
}
