/**
 * Counts, for each server of one log, what its lines came to, and decides when that must be said: lines that look like its logins, and none
 * that is one any more. Whoever can write into the log can write such lines; so their number costs no memory, they are told seldom, and
 * nothing but a login that matches ends the run.
 */
import type { Drift } from '../core/drift.ts'
import type { Login, Logout } from '../core/login.ts'
import type { Clock } from '../lib/clock.ts'
import type { RejectedLine } from '../parsers/scanner.ts'
import { type FailedLine, FailedLines } from './failed-lines.ts'

/** Fewer lines without a login between them are chance: a user name that no grammar foresees. */
export const FEWEST_LINES = 5
/** Their first and last must be read at least this far apart: a burst is somebody who tries. */
export const SHORTEST_RUN_MS = 10 * 60_000
/** A run is told at most this often for each server, whatever comes between. */
export const TELL_EVERY_MS = 60 * 60_000

/** What `status` shows of a server in one log. Counts are of all that was ever read of the log. */
export interface ServerCounts {
  /** Id of the parser. */
  readonly server: string
  readonly logins: number
  /** Time of the line of the latest login, Unix milliseconds. */
  readonly lastLoginMs: number | undefined
  readonly logouts: number
  /** Lines that look like its logins and are none, and how many of them other programs wrote. */
  readonly rejected: number
  readonly foreign: number
  /** The run of such lines that goes on, once it is long enough to be said. */
  readonly drift: Drift | undefined
  /** The last few of them since the start, newest first. */
  readonly recent: readonly FailedLine[]
}

type StoredRun = readonly [lines: number, foreign: number, sinceMs: number, lastMs: number]
type StoredServer = readonly [
  server: string,
  logins: number,
  lastLoginMs: number | null,
  logouts: number,
  rejected: number,
  foreign: number,
  toldAtMs: number | null,
  run: StoredRun | null,
]
/** What a restart must not forget: plain JSON, one entry for each server of which anything was seen. */
export type StoredCounts = readonly StoredServer[]

/** Lines without a login between them. */
interface Run {
  lines: number
  foreign: number
  sinceMs: number
  lastMs: number
}

interface Entry {
  logins: number
  lastLoginMs: number | undefined
  logouts: number
  rejected: number
  foreign: number
  run: Run | undefined
  toldAtMs: number | undefined
  readonly failed: FailedLines
}

/** One log's servers. Knows those that it was made for, and no others: its size is fixed. */
export class DriftWatch {
  readonly #clock: Pick<Clock, 'now'>
  readonly #entries: ReadonlyMap<string, Entry>

  constructor(servers: readonly string[], clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#entries = new Map(servers.map((server) => [server, newEntry()]))
  }

  /** A login that matched: whatever failed before was no drift, or is one no longer. Returns the run that it ends, if that was long enough. */
  login({ server, atMs }: Pick<Login, 'server' | 'atMs'>): Drift | undefined {
    const entry = this.#entries.get(server)
    if (entry === undefined) return undefined
    const ended = driftOf(server, entry)
    entry.run = undefined
    entry.logins++
    entry.lastLoginMs = atMs
    return ended
  }

  logout({ server }: Pick<Logout, 'server'>): void {
    const entry = this.#entries.get(server)
    if (entry !== undefined) entry.logouts++
  }

  /** A line that looks like a login and is none. Returns what must be said now, if anything. */
  rejected(line: RejectedLine): Drift | undefined {
    const entry = this.#entries.get(line.server)
    if (entry === undefined) return undefined
    const nowMs = this.#clock.now()
    const foreign = line.isForeign === true ? 1 : 0
    entry.rejected++
    entry.foreign += foreign
    entry.failed.add(line, nowMs)
    entry.run = longer(entry.run, foreign, nowMs)
    const drift = driftOf(line.server, entry)
    if (drift === undefined || !isDue(entry.toldAtMs, nowMs)) return undefined
    entry.toldAtMs = nowMs
    return drift
  }

  /** The servers of which anything was seen: first those that drift, then those with the most logins. */
  get counts(): readonly ServerCounts[] {
    return this.#seen()
      .map(([server, entry]) => {
        const { logins, lastLoginMs, logouts, rejected, foreign, failed } = entry
        const drift = driftOf(server, entry)
        return { server, logins, lastLoginMs, logouts, rejected, foreign, drift, recent: failed.newestFirst }
      })
      .sort((a, b) => weight(b) - weight(a) || b.logins - a.logins || b.rejected - a.rejected)
  }

  /** The counts, without the lines. */
  snapshot(): StoredCounts {
    return this.#seen().map(([server, { logins, lastLoginMs, logouts, rejected, foreign, toldAtMs, run }]) => [
      server,
      logins,
      lastLoginMs ?? null,
      logouts,
      rejected,
      foreign,
      toldAtMs ?? null,
      run === undefined ? null : [run.lines, run.foreign, run.sinceMs, run.lastMs],
    ])
  }

  /** Takes a snapshot back. What is not of that shape, or of a server that is not looked for any more, is left out. */
  restore(stored: unknown): void {
    if (!Array.isArray(stored)) return
    for (const one of stored as unknown[]) {
      const [server, ...values] = Array.isArray(one) ? (one as unknown[]) : []
      const entry = typeof server === 'string' ? this.#entries.get(server) : undefined
      if (entry !== undefined) restoreEntry(entry, values, this.#clock.now())
    }
  }

  #seen(): [string, Entry][] {
    return [...this.#entries].filter(([, { logins, logouts, rejected }]) => logins + logouts + rejected > 0)
  }
}

function newEntry(): Entry {
  return {
    logins: 0,
    lastLoginMs: undefined,
    logouts: 0,
    rejected: 0,
    foreign: 0,
    run: undefined,
    toldAtMs: undefined,
    failed: new FailedLines(),
  }
}

/** A clock that was set back starts the time of the run anew, and not its count. */
function longer(run: Run | undefined, foreign: number, nowMs: number): Run {
  if (run === undefined) return { lines: 1, foreign, sinceMs: nowMs, lastMs: nowMs }
  const sinceMs = run.lastMs > nowMs ? Math.min(run.sinceMs, nowMs) : run.sinceMs
  return { lines: run.lines + 1, foreign: run.foreign + foreign, sinceMs, lastMs: nowMs }
}

function driftOf(server: string, { run, logins }: Entry): Drift | undefined {
  if (run === undefined || run.lines < FEWEST_LINES || run.lastMs - run.sinceMs < SHORTEST_RUN_MS) return undefined
  return { kind: logins > 0 ? 'drift' : 'attempts', server, ...run }
}

/** Also where the clock was set back by more than the pause: no step of it may silence for long. */
function isDue(toldAtMs: number | undefined, nowMs: number): boolean {
  return toldAtMs === undefined || Math.abs(nowMs - toldAtMs) >= TELL_EVERY_MS
}

function weight({ drift, logins }: ServerCounts): number {
  return drift?.kind === 'drift' ? 2 : logins > 0 ? 1 : 0
}

function restoreEntry(entry: Entry, values: readonly unknown[], nowMs: number): void {
  const [logins, lastLoginMs, logouts, rejected, foreign, toldAtMs, run] = values
  if (![logins, logouts, rejected, foreign].every(isCount)) return
  entry.logins = logins as number
  entry.lastLoginMs = isTime(lastLoginMs) ? lastLoginMs : undefined
  entry.logouts = logouts as number
  entry.rejected = rejected as number
  entry.foreign = foreign as number
  entry.toldAtMs = isTime(toldAtMs) ? toldAtMs : undefined
  entry.run = storedRun(run, nowMs)
}

function storedRun(stored: unknown, nowMs: number): Run | undefined {
  if (!Array.isArray(stored)) return undefined
  const [lines, foreign, sinceMs, lastMs] = stored as unknown[]
  if (!isCount(lines) || !isCount(foreign) || !isTime(sinceMs) || !isTime(lastMs)) return undefined
  const startMs = Math.min(sinceMs, nowMs)
  return { lines, foreign, sinceMs: startMs, lastMs: Math.min(Math.max(startMs, lastMs), nowMs) }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** A time that a Date can hold. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15
}
