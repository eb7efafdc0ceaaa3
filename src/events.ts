/** Every notable event of the daemon: one function per event, with a fixed message, fields, and a counter. */
import type { TableChange, Verdict } from './core/authorization.ts'
import { type Drift, driftWords } from './core/drift.ts'
import type { AddressLogout, Login, Logout } from './core/login.ts'
import { type TimeTrouble, timeWords } from './core/time-trouble.ts'
import type { Clock } from './lib/clock.ts'
import { escapeForTerminal } from './lib/escape.ts'
import type { Logger } from './log.ts'
import { LogThrottle } from './log-throttle.ts'
import type { RelayDecision } from './responders/policy/protocol.ts'
import type { SourceNotice } from './sources/source.ts'

const LONGEST_REASON = 300

/** Names of the counters; `status` and the metrics show them with the prefix `popauthd_`. */
type CounterName =
  | 'lines_rejected_total'
  | 'logouts_recognized_total'
  | 'logouts_rejected_total'
  | 'logins_recognized_total'
  | 'logins_refused_total'
  | 'logins_ahead_of_clock_total'
  | 'logins_stale_total'
  | 'authorizations_granted_total'
  | 'authorizations_extended_total'
  | 'authorizations_ended_total'
  | 'publish_failures_total'
  | 'publishes_total'

/** The daemon's events: logs and counts. One instance a process. */
export class Events {
  readonly counters = new Map<CounterName, number>()
  readonly #logger: Logger
  readonly #listeners = new Set<(change: TableChange) => void>()
  /** Of what log lines cause one by one: whoever makes them come fast must not fill the disk with ours. */
  readonly #throttle: LogThrottle

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#throttle = new LogThrottle(clock, (leftOut) =>
      this.#logger.warn(leftOut, 'more came than are written one by one'),
    )
  }

  #count(name: CounterName, by = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by)
  }

  /** Calls `listener` at each change of an authorization; returns how to stop. */
  onChange(listener: (change: TableChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  starting(version: string, stateDirectory: string): void {
    this.#logger.info({ version, state: stateDirectory }, 'starting')
  }

  ready(fields: Record<string, unknown>): void {
    this.#logger.info(fields, 'ready')
  }

  stopping(why: string): void {
    this.#throttle.flush()
    this.#logger.info({ why }, 'stopping')
  }

  reloaded(): void {
    this.#logger.info('configuration reloaded')
  }

  reloadFailed(problem: string): void {
    this.#logger.error({ problem }, 'new configuration refused, the old one stays in force')
  }

  /** A login line was recognized. */
  login(login: Login): void {
    this.#count('logins_recognized_total')
    if (!this.#logger.isLevelEnabled('debug')) return
    const { user, address, service, server } = login
    this.#logger.debug({ user, ip: address, service, server, at: new Date(login.atMs).toISOString() }, 'login')
  }

  /** The end of a session was recognized. A log may hold nothing else: it costs a count where nobody wants to read of it. */
  logout(logout: Logout | AddressLogout): void {
    this.#count('logouts_recognized_total')
    if (!this.#logger.isLevelEnabled('debug')) return
    const { address, server, atMs } = logout
    const whose = 'user' in logout ? { user: logout.user, service: logout.service } : {}
    this.#logger.debug({ ...whose, ip: address, server, at: new Date(atMs).toISOString() }, 'logout')
  }

  /** A line about the end of a session that is none. */
  logoutRejected(): void {
    this.#count('logouts_rejected_total')
  }

  /** A true login that opens nothing: never networks, blocks, limits, a line ahead of the clock. */
  refused(login: Login, verdict: Pick<Verdict, 'reason' | 'detail'>, loud: boolean): void {
    this.#count('logins_refused_total')
    if (verdict.reason === 'ahead_of_clock') this.#count('logins_ahead_of_clock_total')
    if (!this.#throttle.allows('login refused')) return
    const fields = { user: login.user, ip: login.address, reason: verdict.reason, detail: verdict.detail }
    this.#logger[loud ? 'warn' : 'info'](fields, 'login refused')
  }

  /** A login whose window was over when its line was read. */
  stale(_login: Login): void {
    this.#count('logins_stale_total')
  }

  /** A line that holds a login literal but is no login line of that server. */
  lineRejected(server: string, reason: string, line: string): void {
    this.#count('lines_rejected_total')
    this.#logger.debug({ server, reason, line: line.slice(0, 300) }, 'line refused')
  }

  /**
   * Lines of `source` that look like logins and are none, long enough to be said; seldom. `latest`: why the latest is none.
   * Loud where the server has logged in before.
   */
  drift(source: string, drift: Drift, latest: string): void {
    const detail = `${driftWords(drift, isoSeconds(drift.sinceMs))} (the latest: ${escapeForTerminal(latest).slice(0, LONGEST_REASON)})`
    const fields = { source, ...driftFields(drift), detail }
    if (drift.kind === 'drift') this.#logger.warn(fields, 'logins no longer recognized')
    else this.#logger.info(fields, 'logins imitated')
  }

  /** A login matched after such lines. */
  driftEnded(source: string, drift: Drift): void {
    const detail = `a line of ${drift.server} is a login, after ${drift.lines} that only looked like one`
    this.#logger.info({ source, ...driftFields(drift), detail }, 'logins recognized again')
  }

  /** The lines of `source` are dated far from the clock; told seldom. */
  timeTrouble(source: string, trouble: TimeTrouble): void {
    const { kind, offsetMs, logins } = trouble
    const fields = { source, kind, offset_seconds: Math.round(offsetMs / 1000), logins, detail: timeWords(trouble) }
    this.#logger.warn(fields, 'log times are wrong')
  }

  changed(change: TableChange): void {
    this.#count(`authorizations_${change.kind}_total`)
    this.#logChange(change)
    for (const listener of this.#listeners) listener(change)
  }

  #logChange({ kind, address, user, untilMs, reason }: TableChange): void {
    const message = `authorization ${kind}`
    if (!this.#logger.isLevelEnabled('info') || !this.#throttle.allows(message)) return
    const until = untilMs === undefined ? undefined : new Date(untilMs).toISOString()
    this.#logger.info({ ip: address, user, until, reason }, message)
  }

  /** An MTA let a client relay a message because of its login: for whoever must say later who sent what. */
  relayed({ address, user, loginMs, untilMs, sender, recipient }: RelayDecision): void {
    if (!this.#throttle.allows('relay permitted')) return
    const iso = (atMs: number | undefined) => (atMs === undefined ? undefined : new Date(atMs).toISOString())
    const fields = { ip: address, user, login: iso(loginMs), until: iso(untilMs), sender, recipient }
    this.#logger.info(fields, 'relay permitted')
  }

  source(origin: string, notice: SourceNotice): void {
    const message = notice.kind === 'reports_refused' ? 'login reports refused' : `log ${notice.kind}`
    this.#logger[notice.trouble ? 'warn' : 'info']({ source: origin, detail: notice.detail }, message)
  }

  published(publisher: string, changes: number): void {
    this.#count('publishes_total')
    this.#logger.debug({ publisher, changes }, 'published')
  }

  publishFailed(publisher: string, problem: string, retryInMs: number | undefined): void {
    this.#count('publish_failures_total')
    this.#logger.error({ publisher, problem, retry_in_ms: retryInMs }, 'cannot publish')
  }

  /** Something a person should read: migrations of files, reported entries. */
  notice(message: string, fields: Record<string, unknown> = {}): void {
    this.#logger.warn(fields, message)
  }

  failed(message: string, problem: string): void {
    this.#logger.error({ problem }, message)
  }
}

function driftFields({ server, lines, foreign, sinceMs }: Drift): Record<string, unknown> {
  return { server, lines, of_other_programs: foreign, since: isoSeconds(sinceMs) }
}

function isoSeconds(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
