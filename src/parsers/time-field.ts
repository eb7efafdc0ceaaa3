/**
 * The time at the start of a line: `Nov 22 13:35:56` (RFC 3164), with fraction or year; `2026-11-22T13:35:56.544Z` (ISO 8601); `Sun
 * 2026-11-22 13:35:56 UTC` (journalctl -o short-full); `@400000004c91b044077a9e94` (TAI64N). Each with the blank behind it.
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

const MONTH_TIME = /([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? /y
const ISO_TIME = /(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? /y
const FULL_TIME = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?=\d{4}-\d\d-\d\d )/y
const FULL_ZONE = /(UTC|GMT|[A-Z]{2,5}|[+-]\d\d(?:\d\d)?) /y
const TAI64N = /@(4[0-9a-f]{15})([0-9a-f]{8}) /y
/** Label of the second 1970-01-01 00:00:00 UTC: TAI was 10 seconds ahead. (Leap seconds since then are left out, as multilog does.) */
const TAI_EPOCH = 0x400000000000000an

/** The time that starts at `at`, or undefined where none does or where it names no possible moment. */
export function readTime(raw: string, at: number): TimeField | undefined {
  const first = raw.charCodeAt(at)
  if (first >= 48 && first <= 57) return readIsoTime(raw, at)
  if (first === 64) return readTai64n(raw, at)
  return readMonthTime(raw, at) ?? readFullTime(raw, at)
}

/** Unix milliseconds of a moment whose zone is known. `offsetMs` is local time minus UTC. */
function absolute(civil: Extract<LogTime, { kind: 'civil' }>, offsetMs: number): LogTime {
  const { year, month, day, hour, minute, second, millisecond } = civil
  return {
    kind: 'absolute',
    atMs: Date.UTC(year ?? 1970, month - 1, day, hour, minute, second, millisecond) - offsetMs,
  }
}

/** A civil time from its digits; undefined for a 31 June or a 25 o'clock. */
export function civilTime(
  year: string | undefined,
  month: number,
  day: string,
  time: readonly (string | undefined)[],
): Extract<LogTime, { kind: 'civil' }> | undefined {
  const [hour, minute, second] = [Number(time[0]), Number(time[1]), Number(time[2])]
  const dayOfMonth = Number(day)
  const longest = DAYS_IN_MONTH[month - 1]
  if (longest === undefined || dayOfMonth < 1 || dayOfMonth > longest) return undefined
  if (hour > 23 || minute > 59 || second > 60) return undefined
  const millisecond = time[3] === undefined ? 0 : Number(time[3].padEnd(3, '0').slice(0, 3))
  const civil = { kind: 'civil' as const, month, day: dayOfMonth, hour, minute, second, millisecond }
  return year === undefined ? civil : { ...civil, year: Number(year) }
}

function readMonthTime(raw: string, at: number): TimeField | undefined {
  MONTH_TIME.lastIndex = at
  const match = MONTH_TIME.exec(raw)
  if (match === null) return undefined
  const end = MONTH_TIME.lastIndex
  const index = MONTHS.indexOf(match[1] as string)
  if (index < 0 || index % 3 !== 0) return undefined
  const time = civilTime(match[3], index / 3 + 1, match[2] as string, [match[4], match[5], match[6], match[7]])
  return time === undefined ? undefined : { time, end, style: 'month' }
}

function readIsoTime(raw: string, at: number): TimeField | undefined {
  ISO_TIME.lastIndex = at
  const match = ISO_TIME.exec(raw)
  if (match === null) return undefined
  const end = ISO_TIME.lastIndex
  const time = civilTime(match[1], Number(match[2]), match[3] as string, [match[4], match[5], match[6], match[7]])
  if (time === undefined) return undefined
  const offsetMs = match[8] === undefined ? undefined : zoneOffsetMs(match[8])
  return { time: offsetMs === undefined ? time : absolute(time, offsetMs), end, style: 'iso' }
}

/** `Sun 2026-11-22 15:19:02 UTC `; a zone of letters other than UTC is that of the host, as in RFC 3164. */
function readFullTime(raw: string, at: number): TimeField | undefined {
  FULL_TIME.lastIndex = at
  if (!FULL_TIME.test(raw)) return undefined
  const iso = readIsoTime(raw, FULL_TIME.lastIndex)
  if (iso === undefined || iso.time.kind !== 'civil') return undefined
  FULL_ZONE.lastIndex = iso.end
  const zone = FULL_ZONE.exec(raw)?.[1]
  if (zone === undefined) return undefined
  const offsetMs = zone === 'UTC' || zone === 'GMT' ? 0 : zoneOffsetMs(zone)
  const time = offsetMs === undefined ? iso.time : absolute(iso.time, offsetMs)
  return { time, end: FULL_ZONE.lastIndex, style: 'month' }
}

/** Milliseconds of `Z`, `+0200`, `+02:00` or `+02`; undefined for a zone of letters. */
function zoneOffsetMs(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const sign = zone[0] === '-' ? -1 : zone[0] === '+' ? 1 : undefined
  if (sign === undefined) return undefined
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000
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
