/** The control contract of the running daemon: the table's answers, and how its parts are doing. */

import type { Config } from '../config/config.ts'
import type { TableChange } from '../core/authorization.ts'
import type { Drift } from '../core/drift.ts'
import { type TimeTrouble, timeWords } from '../core/time-trouble.ts'
import type { Events } from '../events.ts'
import type { ServerCounts } from '../intake/drift.ts'
import type { IntakeStatus } from '../intake/intake.ts'
import { version } from '../lib/version.ts'
import type { Supervisor } from '../publishers/supervisor.ts'
import type { Responder } from '../responders/responder.ts'
import type {
  DriftFact,
  PruneAnswer,
  PublisherStatus,
  ServerFact,
  SourceStatus,
  StatusAnswer,
  TimeFact,
} from './api-types.ts'
import { AuthorizedCount } from './authorized-count.ts'
import type { WatchableTarget } from './control-target.ts'
import { stateWords } from './state-words.ts'
import { TableTarget, type TableTargetParts } from './table-target.ts'

/** What the daemon shows of itself; the daemon owns all of it. */
export interface DaemonView extends TableTargetParts {
  readonly events: Events
  readonly startedAtMs: number
  /** True once all sources have been read to their end. */
  readonly isReady: () => boolean
  readonly config: () => Config
  readonly intakes: readonly { readonly status: IntakeStatus }[]
  readonly responders: readonly Responder[]
  readonly supervisors: () => readonly { readonly name: string; readonly supervisor: Supervisor }[]
}

/** What the control socket talks to. */
export class DaemonTarget extends TableTarget implements WatchableTarget {
  readonly #view: DaemonView
  readonly #count: AuthorizedCount

  constructor(view: DaemonView) {
    super(view)
    this.#view = view
    const { clock, events } = view
    this.#count = new AuthorizedCount({
      count: () => this.countAuthorized(),
      clock,
      onChange: (listener) => events.onChange(listener),
    })
  }

  async status(): Promise<StatusAnswer> {
    const { table, events, startedAtMs, isReady, config, intakes, responders } = this.#view
    const { stateDirectory, windowSeconds, whenStopped } = config()
    const { addresses, fileBytes } = table.stats()
    return {
      daemon: true,
      ready: isReady(),
      version,
      pid: process.pid,
      startedAt: new Date(startedAtMs).toISOString(),
      stateDirectory,
      windowSeconds,
      whenStopped,
      table: {
        addresses,
        authorized: await this.#count.latest(),
        decisions: table.decisions().length,
        bytes: fileBytes,
      },
      sources: intakes.map(({ status }) => sourceStatus(status)),
      publishers: this.#view.supervisors().map(({ name, supervisor }) => publisherStatus(name, supervisor)),
      responders: responders.map(({ name, counts }) => ({ name, ...counts })),
      counters: Object.fromEntries(events.counters),
    }
  }

  async prune(): Promise<PruneAnswer> {
    const removed = await this.sweep()
    const maps = this.#view.supervisors().map(async ({ name, supervisor }): Promise<PruneAnswer['maps'][number]> => {
      const inStep = await supervisor.settled()
      const { problem } = supervisor.state
      const { trouble } = supervisor.state
      return inStep
        ? { name, state: 'in_step', ...(trouble === undefined ? {} : { problem: trouble }) }
        : { name, state: 'failing', ...(problem === undefined ? {} : { problem }) }
    })
    return { daemon: true, removed, authorized: await this.countAuthorized(), maps: await Promise.all(maps) }
  }

  onChange(listener: (change: TableChange) => void): () => void {
    return this.#view.events.onChange(listener)
  }

  /** One line for people: what the daemon does just now. */
  async stateWords(): Promise<string> {
    const ready = this.#view.isReady()
    const sources = this.#view.intakes.map(({ status }) => sourceStatus(status))
    return stateWords({ ready, sources, authorized: ready ? await this.#count.latest() : null })
  }
}

function sourceStatus({
  id,
  origin,
  position,
  caughtUp,
  trouble,
  backlog,
  time,
  servers,
  counts,
}: IntakeStatus): SourceStatus {
  const behind =
    backlog === undefined || backlog.leftBytes === 0
      ? {}
      : { behindBytes: backlog.leftBytes, readPercent: backlog.readPercent }
  return {
    id,
    origin: origin ?? id,
    position: position ?? null,
    caughtUp,
    ...behind,
    servers: servers.map(serverFact),
    ...(counts === undefined ? {} : { counts: { ...counts } }),
    ...(trouble === undefined ? {} : { trouble }),
    ...(time === undefined ? {} : { time: timeFact(time) }),
  }
}

function timeFact(trouble: TimeTrouble): TimeFact {
  const { kind, offsetMs, cause, zones, logins, sinceMs, lastMs } = trouble
  const seconds = Math.round(offsetMs / 1000)
  return { kind, seconds, cause, zones, logins, since: iso(sinceMs), last: iso(lastMs), detail: timeWords(trouble) }
}

function serverFact({
  server,
  logins,
  lastLoginMs,
  logouts,
  rejected,
  foreign,
  drift,
  recent,
}: ServerCounts): ServerFact {
  return {
    server,
    logins,
    lastLogin: lastLoginMs === undefined ? null : iso(lastLoginMs),
    logouts,
    rejected,
    foreign,
    ...(drift === undefined ? {} : { drift: driftFact(drift) }),
    recent: recent.map(({ atMs, reason, column, line, isForeign }) => {
      return { at: iso(atMs), reason, column: column + 1, line, foreign: isForeign }
    }),
  }
}

function driftFact({ kind, lines, foreign, sinceMs, lastMs }: Drift): DriftFact {
  return { kind, lines, foreign, since: iso(sinceMs), last: iso(lastMs) }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}

function publisherStatus(name: string, { state }: Supervisor): PublisherStatus {
  if (state.problem !== undefined) return { name, state: 'failing', problem: state.problem }
  const trouble = state.trouble === undefined ? {} : { problem: state.trouble }
  return { name, state: state.inStep ? 'in_step' : 'behind', ...trouble }
}
