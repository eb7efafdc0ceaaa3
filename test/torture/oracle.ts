// What the table must say, computed from what was written and from what is on disk at the end. Shares no code with the daemon's parsers.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { WrittenLogin } from './ledger.ts'

/** One lane at the end: where its log is, and what was written to it. */
interface LaneRecord {
  readonly name: string
  readonly path: string
  readonly logins: readonly WrittenLogin[]
}

/** An entry of `popauthd list --json`. */
export interface ListedEntry {
  readonly address: string
  readonly users: readonly string[]
  readonly until: string | null
}

/** What a correct table may hold of one address. */
interface Expectation {
  readonly user: string
  readonly lane: string
  /** The latest login that is on disk; undefined where all of them are lost. */
  keptMs: number | undefined
  /** Logins that no file holds any more: whoever read in time has them. */
  readonly lostMs: number[]
}

/** What all the logs amount to. */
export class Oracle {
  /** For each lane, logins that were written and that no file holds: the copy of copytruncate missed them. */
  readonly lost: Readonly<Record<string, number>>
  readonly written: number
  readonly #expected = new Map<string, Expectation>()

  constructor(lanes: readonly LaneRecord[]) {
    const lost: Record<string, number> = {}
    for (const lane of lanes) {
      const kept = keptBodies(lane.path)
      lost[lane.name] = 0
      for (const login of lane.logins) {
        const isKept = login.bodies.every((body) => kept.has(body))
        if (!isKept) lost[lane.name] = (lost[lane.name] ?? 0) + 1
        this.#expect(lane.name, login, isKept)
      }
    }
    this.lost = lost
    this.written = lanes.reduce((sum, { logins }) => sum + logins.length, 0)
  }

  /**
   * What is wrong with a table, one sentence each; none where it is right. `fromLogs`: it was made of the logs as they are now, so that
   * nothing that was lost can be in it. `closed`: addresses that the operator blocked.
   */
  differences(
    table: readonly ListedEntry[],
    windowMs: number,
    { fromLogs = false, closed = new Set<string>() } = {},
  ): string[] {
    const found: string[] = []
    const open = new Map(table.map((entry) => [entry.address, entry]))
    for (const [address, expected] of this.#expected) {
      const entry = open.get(address)
      open.delete(address)
      const wanted = this.#allowed(expected, fromLogs, closed.has(address))
      const isRight = entry === undefined ? wanted.mayBeClosed : wanted.untilMs.includes(untilOf(entry) - windowMs)
      const about = `${expected.lane}: ${address} of ${expected.user}`
      if (!isRight)
        found.push(
          `${about}: ${told(entry)}, not ${wanted.untilMs.map((ms) => iso(ms + windowMs)).join(' or ') || 'closed'}`,
        )
      else if (entry !== undefined && entry.users.join() !== expected.user) found.push(`${about}: users ${entry.users}`)
    }
    for (const entry of open.values()) found.push(`invented: ${entry.address} of ${entry.users}, ${told(entry)}`)
    return found
  }

  #allowed({ keptMs, lostMs }: Expectation, fromLogs: boolean, isClosed: boolean) {
    if (isClosed) return { mayBeClosed: true, untilMs: [] }
    const kept = keptMs === undefined ? [] : [keptMs]
    const later = fromLogs ? [] : lostMs.filter((ms) => keptMs === undefined || ms > keptMs)
    return { mayBeClosed: keptMs === undefined, untilMs: [...kept, ...later] }
  }

  #expect(lane: string, { address, user, atMs }: WrittenLogin, isKept: boolean): void {
    const known = this.#expected.get(address) ?? { user, lane, keptMs: undefined, lostMs: [] }
    this.#expected.set(address, known)
    if (isKept) known.keptMs = Math.max(known.keptMs ?? 0, atMs)
    else known.lostMs.push(atMs)
  }
}

/** A truncation may have cut a line in two: a whole one has a whole header, with the name of the host at its end. */
const HEADER = /^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) mx (.*)$/

/** What the whole lines of a log and of all that rotation made of it hold behind their headers. */
export function keptBodies(path: string): Set<string> {
  const kept = new Set<string>()
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(basename(path))) continue
    const lines = contentOf(`${dirname(path)}/${name}`)
      .split('\n')
      .slice(0, -1)
    for (const line of lines) {
      const body = HEADER.exec(line)?.[1]
      if (body !== undefined) kept.add(body)
    }
  }
  return kept
}

const UNPACK: Readonly<Record<string, readonly string[]>> = {
  gz: ['gzip', '-dc'],
  xz: ['xz', '-dc'],
  zst: ['zstd', '-qdc'],
}

function contentOf(path: string): string {
  const [program, ...options] = UNPACK[path.slice(path.lastIndexOf('.') + 1)] ?? []
  if (program === undefined) return readFileSync(path, 'latin1')
  return execFileSync(program, [...options, path], { encoding: 'latin1', maxBuffer: 1 << 28 })
}

function untilOf(entry: ListedEntry): number {
  return entry.until === null ? Number.POSITIVE_INFINITY : Date.parse(entry.until)
}

function told(entry: ListedEntry | undefined): string {
  return entry === undefined ? 'closed' : `open until ${entry.until ?? 'ever'}`
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}
