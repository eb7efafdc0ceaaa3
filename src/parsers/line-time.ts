/**
 * When a line was written, as Unix milliseconds: civil time in a zone by the tz database (Intl), the year that RFC 3164 leaves out, and the
 * hour that happens twice when summer time ends.
 */
import type { LogTime } from '../core/log-line.ts'
import { zoneOffset } from '../lib/zone-offset.ts'

const DAY_MS = 86_400_000
/** A line may be this far ahead of the newest time it can have (a zone set wrong, a clock a bit ahead) before the year before is taken. */
const AHEAD_MS = DAY_MS
/** Lines may stand this much out of order. */
const DISORDER_MS = 300_000
const MOST_CACHED = 4096

type CivilTime = Extract<LogTime, { kind: 'civil' }>

/** Settings of a {@link LineClock}. */
export interface LineClockOptions {
  /** IANA name such as `Europe/Berlin`, or `local` for the zone of this host. */
  readonly timezone: string
  /** Year of every line that has none; without it the year is inferred. */
  readonly year?: number
}

/** Turns the times of one log's lines into Unix milliseconds, line after line. */
export class LineClock {
  readonly #offsetAt: (utcMs: number) => number
  readonly #year: number | undefined
  /** No line that comes now was written before, Unix milliseconds: the log had been read to its end then. */
  oldestMs = Number.NEGATIVE_INFINITY
  /** Offset of each civil day on which it does not change, NaN where it does; by day number. */
  readonly #dayOffsets = new Map<number, number>()
  #lastMs: number | undefined
  #newestMs = Number.NaN
  #newestYear = 0

  /** @throws {UsageError} for an unknown zone */
  constructor(options: LineClockOptions) {
    this.#offsetAt = zoneOffset(options.timezone)
    this.#year = options.year
  }

  /** Time of the last line asked for, which settles a doubled hour; kept over a restart by whoever keeps the rest. */
  get lastMs(): number | undefined {
    return this.#lastMs
  }

  set lastMs(value: number | undefined) {
    this.#lastMs = value
  }

  /** Unix milliseconds of a line's time, given the newest that it can be; undefined where no year makes it possible (29 February). */
  toMs(time: LogTime, newestMs: number): number | undefined {
    const atMs = time.kind === 'absolute' ? time.atMs : this.#civilToMs(time, newestMs)
    if (atMs !== undefined) this.#lastMs = atMs
    return atMs
  }

  #civilToMs(time: CivilTime, newestMs: number): number | undefined {
    const year = time.year ?? this.#year
    if (year !== undefined) return isPossible(time, year) ? this.#resolve(time, year, newestMs) : undefined
    const newestYear = this.#yearOf(newestMs)
    for (let candidate = newestYear + 1; candidate > newestYear - 10; candidate--) {
      if (!isPossible(time, candidate)) continue
      const atMs = this.#resolve(time, candidate, newestMs)
      if (atMs <= newestMs + AHEAD_MS) return atMs
    }
    return undefined
  }

  /** Asked for each line, and the same for all lines of a chunk. */
  #yearOf(newestMs: number): number {
    if (newestMs !== this.#newestMs) {
      this.#newestMs = newestMs
      this.#newestYear = new Date(newestMs).getUTCFullYear()
    }
    return this.#newestYear
  }

  #resolve(time: CivilTime, year: number, newestMs: number): number {
    const civilMs = Date.UTC(year, time.month - 1, time.day, time.hour, time.minute, time.second, time.millisecond)
    const offset = this.#dayOffset(Math.floor(civilMs / DAY_MS))
    return Number.isNaN(offset) ? this.#resolveOnChange(civilMs, newestMs) : civilMs - offset
  }

  #dayOffset(day: number): number {
    const known = this.#dayOffsets.get(day)
    if (known !== undefined) return known
    const before = this.#offsetAt((day - 1) * DAY_MS)
    const after = this.#offsetAt((day + 2) * DAY_MS)
    const offset = before === after ? before : Number.NaN
    if (this.#dayOffsets.size >= MOST_CACHED) this.#dayOffsets.clear()
    this.#dayOffsets.set(day, offset)
    return offset
  }

  /**
   * Near a change of the offset a civil time has one, two or no moments. Logs go forward: of two, the first that is not before the line
   * before, nor before {@link oldestMs}, is taken (for a first line, the one nearest to `newestMs`), and never one that is still to come;
   * where there is none (the hour that is skipped), the time is read with the offset before the change.
   */
  #resolveOnChange(civilMs: number, newestMs: number): number {
    const offsets = [this.#offsetAt(civilMs - DAY_MS), this.#offsetAt(civilMs + DAY_MS)]
    const [first, second] = offsets.map((offset) => civilMs - offset) as [number, number]
    const isFirst = this.#offsetAt(first) === offsets[0]
    const isSecond = this.#offsetAt(second) === offsets[1]
    if (!isSecond) return first
    if (!isFirst) return second
    if (second > newestMs + DISORDER_MS) return first
    const earliestMs = Math.max(this.#lastMs ?? Number.NEGATIVE_INFINITY, this.oldestMs)
    if (earliestMs > Number.NEGATIVE_INFINITY) return first >= earliestMs - DISORDER_MS ? first : second
    return Math.abs(newestMs - first) <= Math.abs(newestMs - second) ? first : second
  }
}

function isPossible(time: CivilTime, year: number): boolean {
  return time.month !== 2 || time.day < 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))
}
