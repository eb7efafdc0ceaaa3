/** The loop of one source: read -> scan -> parse -> admit -> commit, with the read position in the same commit. Nothing else does this. */
import type { TableChange, VerdictReason } from '../core/authorization.ts'
import type { Login, Logout } from '../core/login.ts'
import { reasonOf } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../lib/clock.ts'
import type { LoginScanner, RejectedLine } from '../parsers/scanner.ts'
import type { Source, SourceChunk, SourcePosition } from '../sources/source.ts'
import type { AuthorizationTable } from '../table/authorization-table.ts'
import type { CommitResult } from '../table/results.ts'
import { DriftWatch, type ServerCounts, type StoredCounts } from './drift.ts'
import { FirstReading } from './first-reading.ts'

/** A position without logins is written at most this often: a log full of other programs' lines must not cost a commit a line. */
export const IDLE_POSITION_MS = 5_000
/** A first reading that takes longer (a pipe that never pauses, a huge log) is committed from then on as it comes. */
export const LONGEST_FIRST_MS = 60_000
/** Pause before a failed commit is tried again. */
const RETRY_MS = 1_000

/** Refusals that an operator should hear of: a proxy in front of the server, a stolen password, a wrong clock, a full table. */
const LOUD: ReadonlySet<VerdictReason> = new Set([
  'too_many_users',
  'too_many_addresses',
  'ahead_of_clock',
  'table_full',
])

/** What an intake works with; all of it is owned by the daemon. */
interface IntakeParts {
  readonly source: Source
  readonly scanner: LoginScanner
  /** Ids of the servers that the scanner looks for. */
  readonly servers: readonly string[]
  readonly table: Pick<AuthorizationTable, 'commit' | 'position' | 'policy'>
  readonly events: Events
  readonly clock: Clock
  /** Told of each commit's changes, after the commit. */
  readonly onChanges: (changes: readonly TableChange[]) => void
  /** Called once, when the source has been read to its end for the first time. */
  readonly onCaughtUp: () => void
}

/** What `status` shows of a source. */
export interface IntakeStatus {
  readonly id: string
  readonly origin: string | undefined
  readonly caughtUp: boolean
  readonly position: SourcePosition | undefined
  readonly trouble: string | undefined
  /** The servers of which it holds anything. */
  readonly servers: readonly ServerCounts[]
  /** What the source itself has counted, where it does. */
  readonly counts: Readonly<Record<string, number>> | undefined
}

/** What is kept in the table for a source: where to read on, what the scanner remembers between two lines, and what was counted. */
interface KeptPosition {
  readonly source: SourcePosition
  readonly scanner: unknown
  readonly counts?: StoredCounts
}

/** One source being read. {@link run} it once. */
export class Intake {
  readonly #parts: IntakeParts
  readonly #drift: DriftWatch
  #origin: string | undefined
  #caughtUp = false
  #position: SourcePosition | undefined
  #trouble: string | undefined
  /** Set while a log is read for the first time; nothing of it is committed until its end is reached. */
  #first: FirstReading | undefined
  #startedAtMs = 0
  /** A position that is not in the table yet, because nothing came of the lines before it. */
  #unwritten: SourcePosition | undefined
  #writtenAtMs = 0

  constructor(parts: IntakeParts) {
    this.#parts = parts
    this.#drift = new DriftWatch(parts.servers, parts.clock)
  }

  get status(): IntakeStatus {
    return {
      id: this.#parts.source.id,
      origin: this.#origin,
      caughtUp: this.#caughtUp,
      position: this.#position,
      trouble: this.#trouble,
      servers: this.#drift.counts,
      counts: this.#parts.source.counts,
    }
  }

  /** Reads until `signal` aborts. @throws {SourceError} where the source can never work */
  async run(signal: AbortSignal): Promise<void> {
    const { source, table, scanner } = this.#parts
    const kept = table.position(source.id) as KeptPosition | undefined
    this.#startedAtMs = this.#parts.clock.now()
    if (kept === undefined) this.#first = new FirstReading()
    else scanner.restore(kept.scanner)
    this.#drift.restore(kept?.counts)
    this.#position = kept?.source
    let last: SourceChunk | undefined
    for await (const chunk of source.chunks(kept?.source, signal)) {
      last = chunk
      this.#origin = chunk.origin
      if (!(await this.#take(chunk, signal))) break
      if (chunk.caughtUp) this.#nowCaughtUp()
    }
    // A stream that ended is read to its end; a log whose first reading was stopped is read again.
    if (this.#first !== undefined && last !== undefined && !signal.aborted) {
      await this.#commit(this.#first.release(), last.position, signal)
    }
    if (this.#unwritten !== undefined) await this.#commit([], this.#unwritten, signal)
  }

  /** False where the intake was stopped before the chunk could be committed. */
  async #take(chunk: SourceChunk, signal: AbortSignal): Promise<boolean> {
    // The journal and reports date their logins; and on a busy one the end may never be seen.
    if (chunk.format === 'journal-json' || chunk.logins !== undefined) this.#first = undefined
    const logins = this.#scan(chunk)
    if (this.#first !== undefined) return await this.#takeFirst(this.#first, chunk, signal)
    const isDue = this.#parts.clock.now() - this.#writtenAtMs >= IDLE_POSITION_MS
    if (logins.length === 0 && !isDue) {
      this.#unwritten = chunk.position
      this.#position = chunk.position
      return true
    }
    if (logins.length === 0 && samePosition(this.#unwritten ?? this.#position, chunk.position)) return true
    return await this.#commit(logins, chunk.position, signal)
  }

  async #takeFirst(first: FirstReading, chunk: SourceChunk, signal: AbortSignal): Promise<boolean> {
    const isLong = this.#parts.clock.now() - this.#startedAtMs >= LONGEST_FIRST_MS
    if (!chunk.caughtUp && !first.isFull && !isLong) return true
    this.#first = undefined
    return await this.#commit(first.release(), chunk.position, signal)
  }

  #scan(chunk: SourceChunk): Login[] {
    const { scanner, events, table, clock } = this.#parts
    const { origin } = chunk
    const oldestMs = clock.now() - table.policy.windowMs
    const logins: Login[] = []
    for (const login of chunk.logins ?? []) {
      this.#recognized(login, origin)
      logins.push(login)
    }
    if (chunk.bytes.length === 0) return logins
    scanner.scan(chunk.bytes, chunk, {
      login: (login, { yearInferred }) => {
        this.#recognized(login, origin)
        if (this.#first === undefined) logins.push(login)
        else if (!this.#first.take(login, yearInferred, oldestMs)) events.stale(login)
      },
      rejected: (line) => this.#rejected(line, origin),
      logout: (logout) => this.#logout(logout),
    })
    return logins
  }

  #recognized(login: Login, origin: string): void {
    this.#parts.events.login(login)
    const ended = this.#drift.login(login)
    if (ended !== undefined) this.#parts.events.driftEnded(origin, ended)
  }

  /** The end of a session is told, and is no reason for a commit. */
  #logout(logout: Logout): void {
    this.#parts.events.logout(logout)
    this.#drift.logout(logout)
  }

  #rejected(line: RejectedLine, origin: string): void {
    const { events } = this.#parts
    if (line.isLogout) {
      events.logoutRejected()
      return
    }
    events.lineRejected(line.server, line.reason, line.line)
    const drift = this.#drift.rejected(line)
    if (drift !== undefined) events.drift(origin, drift)
  }

  /** Commits until it works; a full disk holds the source up and loses nothing. */
  async #commit(logins: readonly Login[], position: SourcePosition, signal: AbortSignal): Promise<boolean> {
    const { source, scanner, table, clock, onChanges } = this.#parts
    const kept: KeptPosition = { source: position, scanner: scanner.snapshot(), counts: this.#drift.snapshot() }
    for (;;) {
      try {
        const result = await table.commit({ logins, position: { sourceId: source.id, value: kept } })
        this.#committed(position)
        this.#tell(result)
        onChanges(result.changes)
        return true
      } catch (error) {
        this.#fail(error)
        if (signal.aborted) return false
        await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve))
      }
    }
  }

  #committed(position: SourcePosition): void {
    if (this.#trouble !== undefined) this.#parts.events.notice('the table can be written again')
    this.#trouble = undefined
    this.#position = position
    this.#unwritten = undefined
    this.#writtenAtMs = this.#parts.clock.now()
  }

  #fail(error: unknown): void {
    const problem = reasonOf(error)
    if (this.#trouble !== problem) this.#parts.events.failed('cannot record logins, trying again', problem)
    this.#trouble = problem
  }

  #tell({ outcomes }: CommitResult): void {
    const { events } = this.#parts
    for (const outcome of outcomes) {
      if (outcome.kind === 'refused') events.refused(outcome.login, outcome, LOUD.has(outcome.reason))
      else if (outcome.kind === 'stale') events.stale(outcome.login)
    }
  }

  #nowCaughtUp(): void {
    if (this.#caughtUp) return
    this.#caughtUp = true
    this.#parts.onCaughtUp()
  }
}

function samePosition(a: SourcePosition | undefined, b: SourcePosition): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b)
}
