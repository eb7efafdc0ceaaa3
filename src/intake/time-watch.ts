/**
 * Notices a log whose lines are dated far from the clock: written in another zone than they are read in, or by a clock that is wrong. Lines
 * ahead of the clock cannot be explained by a delay. Lines behind it can, unless they come in live and all by the same whole quarter hours.
 */
import { AHEAD_MS } from '../admission/policy.ts'
import type { TimeTrouble } from '../core/time-trouble.ts'
import type { Clock } from '../lib/clock.ts'
import { guessZones } from './zone-guess.ts'

const QUARTER_MS = 900_000
/** So far from a whole number of quarter hours is taken as one: clocks differ, lines wait for a moment. */
const FIT_MS = 150_000
/** So many logins are wanted before anything is said. */
const FEWEST_AHEAD = 3
const FEWEST_BEHIND = 5
/** Lines behind the clock must have been read over this time: a batch that was held up comes in at once. */
const SHORTEST_BEHIND_MS = 5 * 60_000
/** Less is a delay, not a zone. */
const LEAST_BEHIND_MS = 30 * 60_000
/** Logins in a row that are dated as they should be, or a time without any other, end a run. */
const GOOD_IN_A_ROW = 20
const QUIET_MS = 60 * 60_000
/** Distances kept of a run, of which the largest counts: the nearest to the truth. */
const MOST_RECENT = 5
/** A run that goes on is told each hour, another one after a pause. */
const TELL_EVERY_MS = 60 * 60_000
const TELL_PAUSE_MS = 10 * 60_000
/** A log that never pauses is not waited for longer than this before its lines ahead of the clock are told. */
const LONGEST_BACKLOG_MS = 60_000

type Kind = TimeTrouble['kind']

/** Logins off the clock, with fewer than {@link GOOD_IN_A_ROW} good ones between. */
interface Run {
  readonly kind: Kind
  /** How far the last few were off, milliseconds, above 0. */
  recentMs: number[]
  isZoned: boolean
  logins: number
  readonly sinceMs: number
  lastMs: number
}

/** What a watch works with. */
interface TimeWatchOptions {
  /** The zone in which times without one are read: an IANA name or `local`. */
  readonly timezone: string
  readonly clock: Clock
  /** Logins older than this open nothing. */
  readonly windowMs: () => number
}

/** Watches the logins of one log. Bounded, and keeps no text. */
export class TimeWatch {
  readonly #options: TimeWatchOptions
  readonly #runs = new Map<Kind, Run>()
  readonly #told = new Map<Kind, { readonly run: Run; readonly atMs: number }>()
  #isLive = false
  #good = 0
  #guess = { key: '', zones: [] as readonly string[] }

  constructor(options: TimeWatchOptions) {
    this.#options = options
  }

  /** Lines that come from now on were written just before. Returns what must be said of those before. */
  caughtUp(): TimeTrouble | undefined {
    this.#isLive = true
    return this.#due('ahead')
  }

  /** A login at `atMs`; `isZoned` where its line says in which zone. Returns what must be said now, if anything. Cheap for good ones. */
  login(atMs: number, isZoned: boolean): TimeTrouble | undefined {
    const nowMs = this.#options.clock.now()
    const aheadMs = atMs - nowMs
    if (aheadMs > AHEAD_MS) return this.#off('ahead', aheadMs, isZoned, nowMs)
    if (!this.#isLive) return undefined
    if (aheadMs >= -AHEAD_MS) this.#onTime()
    else if (isQuarter(-aheadMs) && -aheadMs >= LEAST_BEHIND_MS - FIT_MS) {
      return this.#off('behind', -aheadMs, isZoned, nowMs)
    } else this.#runs.delete('behind')
    return undefined
  }

  /** What is wrong at present. */
  get trouble(): TimeTrouble | undefined {
    return this.#troubleOf('ahead') ?? this.#troubleOf('behind')
  }

  #onTime(): void {
    if (this.#runs.size > 0 && ++this.#good >= GOOD_IN_A_ROW) this.#runs.clear()
  }

  #off(kind: Kind, distanceMs: number, isZoned: boolean, nowMs: number): TimeTrouble | undefined {
    this.#good = 0
    const before = this.#runs.get(kind)
    const goesOn = before !== undefined && !isOver(before, nowMs) && continues(before, distanceMs)
    const run = goesOn ? before : newRun(kind, nowMs)
    run.recentMs = [...run.recentMs, distanceMs].slice(-MOST_RECENT)
    run.isZoned = isZoned
    run.logins++
    run.lastMs = nowMs
    this.#runs.set(kind, run)
    const isKnown = this.#isLive || nowMs - run.sinceMs >= LONGEST_BACKLOG_MS
    return isKnown ? this.#due(kind) : undefined
  }

  #due(kind: Kind): TimeTrouble | undefined {
    const run = this.#runs.get(kind)
    const trouble = this.#troubleOf(kind)
    if (run === undefined || trouble === undefined) return undefined
    const told = this.#told.get(kind)
    const nowMs = this.#options.clock.now()
    // Also where the clock was set back: no step of it may silence for long.
    const pauseMs = told?.run === run ? TELL_EVERY_MS : TELL_PAUSE_MS
    if (told !== undefined && Math.abs(nowMs - told.atMs) < pauseMs) return undefined
    this.#told.set(kind, { run, atMs: nowMs })
    return trouble
  }

  #troubleOf(kind: Kind): TimeTrouble | undefined {
    const run = this.#runs.get(kind)
    const { clock, timezone, windowMs } = this.#options
    if (run === undefined || isOver(run, clock.now()) || !isCertain(run)) return undefined
    const { logins, sinceMs, lastMs, isZoned } = run
    const farthestMs = Math.max(...run.recentMs)
    const zones = isZoned || !isQuarter(farthestMs) ? [] : this.#zones(kind, wholeQuarters(farthestMs))
    const offsetMs = zones.length > 0 ? wholeQuarters(farthestMs) : farthestMs
    const cause = isZoned ? 'clock' : zones.length > 0 ? 'zone' : 'either'
    const isLost = kind === 'ahead' || offsetMs >= windowMs()
    return { kind, offsetMs, cause, zones, timezone, isLost, logins, sinceMs, lastMs }
  }

  /** Guessed anew only where the distance is another. */
  #zones(kind: Kind, offsetMs: number): readonly string[] {
    const key = `${kind} ${offsetMs}`
    if (this.#guess.key !== key) {
      const { timezone, clock } = this.#options
      const aheadMs = kind === 'ahead' ? offsetMs : -offsetMs
      this.#guess = { key, zones: guessZones(aheadMs, timezone, clock.now()) }
    }
    return this.#guess.zones
  }
}

function newRun(kind: Kind, nowMs: number): Run {
  return { kind, recentMs: [], isZoned: false, logins: 0, sinceMs: nowMs, lastMs: nowMs }
}

/** Lines behind the clock are a run only where all are by the same; ahead of it, those of a backlog come nearer to the truth. */
function continues({ kind, recentMs }: Run, distanceMs: number): boolean {
  return kind === 'ahead' || wholeQuarters(recentMs.at(-1) ?? 0) === wholeQuarters(distanceMs)
}

function isCertain({ kind, logins, sinceMs, lastMs }: Run): boolean {
  if (kind === 'ahead') return logins >= FEWEST_AHEAD
  return logins >= FEWEST_BEHIND && lastMs - sinceMs >= SHORTEST_BEHIND_MS
}

/** Nothing came of it for long, or the clock was set back over it: the lines of the time before say nothing about it as it is. */
function isOver({ lastMs }: Run, nowMs: number): boolean {
  return Math.abs(nowMs - lastMs) >= QUIET_MS
}

function isQuarter(ms: number): boolean {
  return ms >= QUARTER_MS - FIT_MS && Math.abs(ms - wholeQuarters(ms)) <= FIT_MS
}

function wholeQuarters(ms: number): number {
  return Math.round(ms / QUARTER_MS) * QUARTER_MS
}
