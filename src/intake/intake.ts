/** The loop of one source: read -> scan -> parse -> admit -> commit, with the read position in the same commit. Nothing else does this. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TableChange, VerdictReason } from '../core/authorization.ts'
import type { AddressLogout, Login, Logout } from '../core/login.ts'
import type { TimeTrouble } from '../core/time-trouble.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../lib/clock.ts'
import type { LoginScanner, RejectedLine, ScanHandler } from '../parsers/scanner.ts'
import type { Source, SourceChunk, SourcePosition } from '../sources/source.ts'
import type { AuthorizationTable } from '../table/authorization-table.ts'
import type { CommitChain, CommitInput, CommitResult } from '../table/results.ts'
import { DriftWatch, type ServerCounts, type StoredCounts } from './drift.ts'
import { FirstReading } from './first-reading.ts'
import { Recorder } from './recorder.ts'
import { TimeWatch } from './time-watch.ts'

/** A position without logins is written at most this often: a log full of other programs' lines must not cost a commit a line. */
export const IDLE_POSITION_MS = 5_000
/** A first reading that takes longer (a pipe that never pauses, a huge log) is committed from then on as it comes. */
export const LONGEST_FIRST_MS = 60_000
/** Bytes that are scanned in one go, and after how many of them, or of lines to be taken apart, lookups get their turn. */
const SLICE_BYTES = 64 * 1024
const MANY_BYTES = 256 * 1024
const MANY_LINES = 50
const LF = 10

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
  /** What people call the source until it tells itself. */
  readonly name?: string
  readonly scanner: LoginScanner
  /** Ids of the servers that the scanner looks for. */
  readonly servers: readonly string[]
  /** The zone in which the scanner reads times without one: an IANA name or `local`. */
  readonly timezone: string
  readonly table: Pick<AuthorizationTable, 'beginCommit' | 'position' | 'policy'>
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
  /** How many bytes are known to be left to read, and how much of all bytes since the start has been read; undefined where the source does not know. */
  readonly backlog: { readonly leftBytes: number; readonly readPercent: number } | undefined
  /** Set where its lines are dated far from the clock. */
  readonly time: TimeTrouble | undefined
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
  readonly #time: TimeWatch
  #recorder: Recorder | undefined
  #origin: string | undefined
  #caughtUp = false
  /** Where reading began. */
  #position: SourcePosition | undefined
  #readBytes = 0
  #leftBytes: number | undefined
  /** Set while a log is read for the first time; nothing of it is committed until its end is reached. */
  #first: FirstReading | undefined
  /** The newest time that a line could have when the source had been read to its end last. */
  #endSeenMs: number | undefined
  #startedAtMs = 0
  /** A position that is not in the table yet, because nothing came of the lines before it. */
  #unwritten: SourcePosition | undefined

  constructor(parts: IntakeParts) {
    this.#parts = parts
    this.#origin = parts.name
    const { servers, timezone, table, clock } = parts
    this.#drift = new DriftWatch(servers, clock)
    this.#time = new TimeWatch({ timezone, clock, windowMs: () => table.policy.windowMs })
  }

  get status(): IntakeStatus {
    return {
      id: this.#parts.source.id,
      origin: this.#origin,
      caughtUp: this.#caughtUp,
      position: this.#unwritten ?? this.#recorder?.recorded.position ?? this.#position,
      trouble: this.#recorder?.trouble,
      backlog: this.#backlog(),
      time: this.#time.trouble,
      servers: this.#drift.counts,
      counts: this.#parts.source.counts,
    }
  }

  #backlog(): IntakeStatus['backlog'] {
    const left = this.#leftBytes
    if (left === undefined) return undefined
    const all = this.#readBytes + left
    return { leftBytes: left, readPercent: all === 0 ? 100 : Math.floor((this.#readBytes / all) * 100) }
  }

  /** Reads until `signal` aborts. @throws {SourceError} where the source can never work */
  async run(signal: AbortSignal): Promise<void> {
    const { source, table, scanner, clock, events } = this.#parts
    const kept = table.position(source.id) as KeptPosition | undefined
    this.#startedAtMs = clock.elapsedMs()
    if (kept === undefined) this.#first = new FirstReading()
    else scanner.restore(kept.scanner)
    this.#drift.restore(kept?.counts)
    this.#position = kept?.source
    const begin = (input: CommitInput, chain: CommitChain) => table.beginCommit(input, chain)
    const onCommit = (result: CommitResult) => this.#committed(result)
    const recorder = new Recorder({ sourceId: source.id, begin, onCommit, events, clock }, signal)
    this.#recorder = recorder
    let last: SourceChunk | undefined
    for await (const chunk of source.chunks(kept?.source, signal)) {
      last = chunk
      this.#origin = chunk.origin
      this.#readBytes += chunk.bytes.length
      this.#leftBytes = chunk.leftBytes
      if (!(await this.#take(chunk, recorder))) break
      if (!chunk.caughtUp) continue
      this.#endSeenMs = chunk.newestMs
      await this.#nowCaughtUp(recorder)
    }
    // A stream that ended is read to its end; a log whose first reading was stopped is read again.
    if (this.#first !== undefined && last !== undefined && !signal.aborted) {
      await this.#record(this.#first.release(), last.position, recorder)
    }
    if ((await recorder.settled()) && this.#unwritten !== undefined) await this.#record([], this.#unwritten, recorder)
    await recorder.settled()
  }

  /** False where the intake was stopped before the chunk could be committed. */
  async #take(chunk: SourceChunk, recorder: Recorder): Promise<boolean> {
    // The journal and reports date their logins; and on a busy one the end may never be seen.
    if (chunk.format === 'journal-json' || chunk.logins !== undefined) this.#first = undefined
    if (chunk.ended !== undefined) return await this.#end(chunk.ended, recorder)
    const logins = await this.#scan(chunk)
    if (this.#first !== undefined) return await this.#takeFirst(this.#first, chunk, recorder)
    const { position, atMs } = recorder.recorded
    const isDue = this.#parts.clock.elapsedMs() - atMs >= IDLE_POSITION_MS
    if (logins.length === 0 && !isDue) {
      this.#unwritten = chunk.position
      return true
    }
    if (logins.length === 0 && samePosition(this.#unwritten ?? position ?? this.#position, chunk.position)) return true
    const isRecorded = await this.#record(logins, chunk.position, recorder)
    // Whoever reported a login is told when it is in the table's file.
    return chunk.logins === undefined ? isRecorded : await recorder.settled()
  }

  async #end(ended: readonly AddressLogout[], recorder: Recorder): Promise<boolean> {
    for (const logout of ended) this.#parts.events.logout(logout)
    return await recorder.end(ended)
  }

  async #takeFirst(first: FirstReading, chunk: SourceChunk, recorder: Recorder): Promise<boolean> {
    const isLong = this.#parts.clock.elapsedMs() - this.#startedAtMs >= LONGEST_FIRST_MS
    if (!chunk.caughtUp && !first.isFull && !isLong) return true
    this.#first = undefined
    return await this.#record(first.release(), chunk.position, recorder)
  }

  async #record(logins: readonly Login[], position: SourcePosition, recorder: Recorder): Promise<boolean> {
    const kept: KeptPosition = {
      source: position,
      scanner: this.#parts.scanner.snapshot(),
      counts: this.#drift.snapshot(),
    }
    this.#unwritten = undefined
    return await recorder.add(logins, position, kept)
  }

  async #scan(chunk: SourceChunk): Promise<Login[]> {
    const { events, table, clock } = this.#parts
    const { origin, bytes, format, newestMs } = chunk
    const info = { format, newestMs, oldestMs: this.#endSeenMs }
    const oldestMs = clock.now() - table.policy.windowMs
    const logins: Login[] = []
    for (const login of chunk.logins ?? []) {
      this.#recognized(login, origin, true)
      logins.push(login)
    }
    let lines = 0
    const on: ScanHandler = {
      login: (login, { yearInferred, isZoned }) => {
        lines++
        this.#recognized(login, origin, isZoned)
        if (this.#first === undefined) logins.push(login)
        else if (!this.#first.take(login, yearInferred, oldestMs)) events.stale(login)
      },
      rejected: (line) => {
        lines++
        this.#rejected(line, origin)
      },
      logout: (logout) => {
        lines++
        this.#logout(logout)
      },
    }
    let since = 0
    for (let start = 0; start < bytes.length; ) {
      const end = endOfSlice(bytes, start)
      this.#parts.scanner.scan(bytes.subarray(start, end), info, on)
      start = end
      if (lines < MANY_LINES && start - since < MANY_BYTES) continue
      lines = 0
      since = start
      if (start < bytes.length) await nextTurn()
    }
    return logins
  }

  #recognized(login: Login, origin: string, isZoned: boolean): void {
    const { events } = this.#parts
    events.login(login)
    const ended = this.#drift.login(login)
    if (ended !== undefined) events.driftEnded(origin, ended)
    const trouble = this.#time.login(login.atMs, isZoned)
    if (trouble !== undefined) events.timeTrouble(origin, trouble)
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
    if (drift !== undefined) events.drift(origin, drift, line.reason)
  }

  #committed(result: CommitResult): void {
    this.#tell(result)
    this.#parts.onChanges(result.changes)
  }

  #tell({ outcomes }: CommitResult): void {
    const { events } = this.#parts
    const isTold = this.#time.trouble?.kind === 'ahead'
    for (const outcome of outcomes) {
      const isLoud = (reason: VerdictReason) => LOUD.has(reason) && !(isTold && reason === 'ahead_of_clock')
      if (outcome.kind === 'refused') events.refused(outcome.login, outcome, isLoud(outcome.reason))
      else if (outcome.kind === 'stale') events.stale(outcome.login)
    }
  }

  /** What was read to its end is in the table too before that is said. */
  async #nowCaughtUp(recorder: Recorder): Promise<void> {
    if (this.#caughtUp || !(await recorder.settled())) return
    this.#caughtUp = true
    const trouble = this.#time.caughtUp()
    if (trouble !== undefined) this.#parts.events.timeTrouble(this.#origin ?? this.#parts.source.id, trouble)
    this.#parts.onCaughtUp()
  }
}

/** Behind the last line end within a slice, or behind the line that is longer than one. */
function endOfSlice(bytes: Buffer, start: number): number {
  if (bytes.length - start <= SLICE_BYTES) return bytes.length
  const within = bytes.lastIndexOf(LF, start + SLICE_BYTES - 1)
  if (within >= start) return within + 1
  const behind = bytes.indexOf(LF, start + SLICE_BYTES)
  return behind < 0 ? bytes.length : behind + 1
}

function samePosition(a: SourcePosition | undefined, b: SourcePosition): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b)
}
