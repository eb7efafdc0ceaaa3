/**
 * The time at the start of a line, with the blank behind it: `Nov 22 13:35:56` (RFC 3164), with fraction or year in front or behind;
 * `2026-11-22T13:35:56.544Z` (ISO 8601); `Sun 2026-11-22 13:35:56 UTC` (journalctl -o short-full); `Sun Nov 22 13:35:56 2026` (logread of
 * OpenWrt); `1795360860.652598` (journalctl -o short-unix); `2026-11-22_12:35:56.12345` (svlogd -tt, in UTC); `@400000004c91b044077a9e94`
 * (TAI64N). Left out: times without a date (journalctl -o short-monotonic).
 */
import type { LogTime } from '../core/log-line.ts'

/** A time and the column behind it and its blank. */
export interface TimeField {
  readonly time: LogTime
  readonly end: number
  readonly style: 'month' | 'iso' | 'tai64n'
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const FULL_TIME = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?=\d{4}-\d\d-\d\d )/y
const FULL_ZONE = /(UTC|GMT|[A-Z]{2,5}|[+-]\d\d(?:\d\d)?) /y
const WEEKDAY = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) /y
const YEAR_BEHIND = /(\d{4}) /y
const YEAR_IN_FRONT = /(\d{4}) (?=[A-Z])/y
const UNIX_TIME = /(\d{9,11})\.(\d{6}) /y
/** Digits of a fraction as svlogd and s6-log write it. */
const SVLOGD_DIGITS = 5
const S6_LOG_DIGITS = 9
const PARTED_ZONE = /([+-]\d{4}) /y
const NUMERIC_ZONE = /^([+-])(\d\d)(?::?(\d\d))?$/
const TAI64N = /@(4[0-9a-f]{15})([0-9a-f]{8}) /y
/** Label of the second 1970-01-01 00:00:00 UTC: TAI was 10 seconds ahead. (Leap seconds since then are left out, as multilog does.) */
const TAI_EPOCH = 0x400000000000000an

/** The time that starts at `at`, or undefined where none does or where it names no possible moment. */
export function readTime(raw: string, at: number): TimeField | undefined {
  const first = raw.charCodeAt(at)
  if (first >= 48 && first <= 57) return readIsoTime(raw, at) ?? readYearFirst(raw, at) ?? readUnixTime(raw, at)
  if (first === 64) return readTai64n(raw, at)
  return readMonthTime(raw, at) ?? readFullTime(raw, at) ?? readWeekdayTime(raw, at)
}

type CivilTime = Extract<LogTime, { kind: 'civil' }>

/** Unix milliseconds of a moment whose zone is known. `offsetMs` is local time minus UTC. */
function absolute(civil: CivilTime, offsetMs: number): LogTime {
  const { year, month, day, hour, minute, second, millisecond } = civil
  return {
    kind: 'absolute',
    atMs: Date.UTC(year ?? 1970, month - 1, day, hour, minute, second, millisecond) - offsetMs,
  }
}

/** The number of `count` digits at `at`, or -1 where there are not so many. */
function digits(raw: string, at: number, count: number): number {
  let number = 0
  for (let i = at; i < at + count; i++) {
    const digit = raw.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return -1
    number = number * 10 + digit
  }
  return number
}

/** Reads `13:35:56` and a fraction, as many digits as there are. */
class ClockReader {
  hour = 0
  minute = 0
  second = 0
  millisecond = 0
  /** Number of digits of the fraction. */
  fractionDigits = 0

  /** Returns the column behind, or -1. */
  read(raw: string, at: number): number {
    this.hour = digits(raw, at, 2)
    this.minute = digits(raw, at + 3, 2)
    this.second = digits(raw, at + 6, 2)
    if (raw[at + 2] !== ':' || raw[at + 5] !== ':' || this.hour < 0 || this.minute < 0 || this.second < 0) return -1
    if (this.hour > 23 || this.minute > 59 || this.second > 60) return -1
    return this.#readFraction(raw, at + 8)
  }

  #readFraction(raw: string, at: number): number {
    this.millisecond = 0
    this.fractionDigits = 0
    if (raw[at] !== '.' && raw[at] !== ',') return at
    let end = at + 1
    while (end <= at + 9 && digits(raw, end, 1) >= 0) {
      if (end <= at + 3) this.millisecond += digits(raw, end, 1) * 10 ** (at + 3 - end)
      end++
    }
    this.fractionDigits = end - at - 1
    return end === at + 1 ? -1 : end
  }
}

const clock = new ClockReader()

/** A civil time of the given day and of the clock just read; undefined for a 31 June. */
function civilTime(year: number | undefined, month: number, day: number): CivilTime | undefined {
  const longest = DAYS_IN_MONTH[month - 1]
  if (longest === undefined || day < 1 || day > longest) return undefined
  const { hour, minute, second, millisecond } = clock
  return year === undefined
    ? { kind: 'civil', month, day, hour, minute, second, millisecond }
    : { kind: 'civil', year, month, day, hour, minute, second, millisecond }
}

/** `Nov  2 13:35:56 `, `Nov 2 ...`, `Nov 22 2026 ...`. */
function readMonthTime(raw: string, at: number): TimeField | undefined {
  const index = MONTHS.indexOf(raw.slice(at, at + 3))
  if (index < 0 || index % 3 !== 0 || raw[at + 3] !== ' ') return undefined
  let end = at + (raw[at + 4] === ' ' ? 5 : 4)
  const wide = digits(raw, end, 2)
  const day = wide < 0 ? digits(raw, end, 1) : wide
  end += wide < 0 ? 1 : 2
  if (day < 0 || raw[end] !== ' ') return undefined
  const year = raw[end + 5] === ' ' ? digits(raw, end + 1, 4) : -1
  if (year >= 0) end += 5
  end = clock.read(raw, end + 1)
  if (end < 0 || raw[end] !== ' ') return undefined
  const time = civilTime(year < 0 ? undefined : year, index / 3 + 1, day)
  return time === undefined ? undefined : { time, end: end + 1, style: 'month' }
}

/** `2026 Nov 22 13:35:56 `: FULLDATE of syslog-ng. */
function readYearFirst(raw: string, at: number): TimeField | undefined {
  YEAR_IN_FRONT.lastIndex = at
  const year = YEAR_IN_FRONT.exec(raw)?.[1]
  const rest = year === undefined ? undefined : readMonthTime(raw, YEAR_IN_FRONT.lastIndex)
  return rest === undefined ? undefined : withYear(rest, Number(year), rest.end)
}

/** `Sun Nov 22 13:35:56 2026 `, as ctime(3) has it. */
function readWeekdayTime(raw: string, at: number): TimeField | undefined {
  WEEKDAY.lastIndex = at
  if (!WEEKDAY.test(raw)) return undefined
  const rest = readMonthTime(raw, WEEKDAY.lastIndex)
  if (rest === undefined) return undefined
  YEAR_BEHIND.lastIndex = rest.end
  const year = YEAR_BEHIND.exec(raw)?.[1]
  return year === undefined ? undefined : withYear(rest, Number(year), YEAR_BEHIND.lastIndex)
}

function withYear(field: TimeField, year: number, end: number): TimeField | undefined {
  const { time } = field
  return time.kind !== 'civil' || time.year !== undefined ? undefined : { ...field, time: { ...time, year }, end }
}

/** `1795360860.652598 `. */
function readUnixTime(raw: string, at: number): TimeField | undefined {
  UNIX_TIME.lastIndex = at
  const match = UNIX_TIME.exec(raw)
  if (match === null) return undefined
  const atMs = Number(match[1]) * 1000 + Math.floor(Number(match[2]) / 1000)
  return { time: { kind: 'absolute', atMs }, end: UNIX_TIME.lastIndex, style: 'month' }
}

/** `2026-11-22T13:35:56.544Z `, with a blank for the T, without a zone, with the zone behind a blank. */
function readIsoTime(raw: string, at: number): TimeField | undefined {
  const [year, month, day] = [digits(raw, at, 4), digits(raw, at + 5, 2), digits(raw, at + 8, 2)]
  if (raw[at + 4] !== '-' || raw[at + 7] !== '-' || year < 0) return undefined
  const separator = raw[at + 10]
  if (separator !== 'T' && separator !== ' ' && separator !== '_') return undefined
  const zoneStart = clock.read(raw, at + 11)
  if (zoneStart < 0) return undefined
  const time = civilTime(year, month, day)
  const end = raw.indexOf(' ', zoneStart)
  if (time === undefined || end < 0) return undefined
  if (end === zoneStart) return readIsoEnd(raw, time, separator, end + 1)
  const offsetMs = zoneOffsetMs(raw.slice(zoneStart, end))
  return offsetMs === undefined ? undefined : { time: absolute(time, offsetMs), end: end + 1, style: 'iso' }
}

/** What a time without a zone right behind it is: svlogd's is UTC; s6-log's has two blanks behind it; others may have a zone behind one. */
function readIsoEnd(raw: string, time: CivilTime, separator: string, end: number): TimeField {
  const { fractionDigits } = clock
  if (separator === '_' || (separator === 'T' && fractionDigits === SVLOGD_DIGITS))
    return { time: absolute(time, 0), end, style: 'iso' }
  if (separator === ' ' && fractionDigits === S6_LOG_DIGITS && raw[end] === ' ')
    return { time, end: end + 1, style: 'iso' }
  const sign = raw[end]
  if (separator !== ' ' || (sign !== '+' && sign !== '-')) return { time, end, style: 'iso' }
  PARTED_ZONE.lastIndex = end
  const zone = PARTED_ZONE.exec(raw)?.[1]
  const offsetMs = zone === undefined ? undefined : zoneOffsetMs(zone)
  return offsetMs === undefined
    ? { time, end, style: 'iso' }
    : { time: absolute(time, offsetMs), end: PARTED_ZONE.lastIndex, style: 'iso' }
}

/** `Sun 2026-11-22 15:19:02 UTC `; a zone of letters other than UTC is that of the host, as in RFC 3164. */
function readFullTime(raw: string, at: number): TimeField | undefined {
  FULL_TIME.lastIndex = at
  if (!FULL_TIME.test(raw)) return undefined
  const iso = readIsoTime(raw, FULL_TIME.lastIndex)
  if (iso === undefined) return undefined
  if (iso.time.kind !== 'civil') return { ...iso, style: 'month' }
  FULL_ZONE.lastIndex = iso.end
  const zone = FULL_ZONE.exec(raw)?.[1]
  if (zone === undefined) return undefined
  const offsetMs = zone === 'UTC' || zone === 'GMT' ? 0 : zoneOffsetMs(zone)
  const time = offsetMs === undefined ? iso.time : absolute(iso.time, offsetMs)
  return { time, end: FULL_ZONE.lastIndex, style: 'month' }
}

/** Milliseconds of `Z`, `+0200`, `+02:00` or `+02`; undefined for anything else. */
function zoneOffsetMs(zone: string): number | undefined {
  if (zone === 'Z' || zone === '+00:00') return 0
  const match = NUMERIC_ZONE.exec(zone)
  if (match === null) return undefined
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0)
  return (match[1] === '-' ? -minutes : minutes) * 60_000
}

function readTai64n(raw: string, at: number): TimeField | undefined {
  TAI64N.lastIndex = at
  const match = TAI64N.exec(raw)
  if (match === null) return undefined
  const seconds = Number(BigInt(`0x${match[1]}`) - TAI_EPOCH)
  const nanoseconds = Number.parseInt(match[2] as string, 16)
  if (nanoseconds > 999_999_999 || seconds < 0 || seconds > 2 ** 40) return undefined
  const atMs = seconds * 1000 + Math.floor(nanoseconds / 1_000_000)
  return { time: { kind: 'absolute', atMs }, end: TAI64N.lastIndex, style: 'tai64n' }
}
