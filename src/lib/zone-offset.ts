/** Offsets of time zones from UTC, by the tz database that Node brings along (Intl). */
import { UsageError } from '../errors.ts'

/** Offsets change only at multiples of this. */
const OFFSET_STEP_MS = 900_000
const MOST_CACHED = 4096

/**
 * The function from Unix milliseconds to the zone's offset (local time minus UTC, in milliseconds) at that moment. `timezone`: an IANA name, or
 * `local` for the zone of this host.
 * @throws {UsageError} for an unknown zone
 */
export function zoneOffset(timezone: string): (utcMs: number) => number {
  if (timezone === 'UTC') return () => 0
  if (timezone === 'local') return (utcMs) => -new Date(utcMs).getTimezoneOffset() * 60_000
  const format = dateFormat(timezone)
  const cache = new Map<number, number>()
  return (utcMs) => {
    const step = Math.floor(utcMs / OFFSET_STEP_MS)
    let offset = cache.get(step)
    if (offset === undefined) {
      offset = wallClockMs(format, step * OFFSET_STEP_MS) - step * OFFSET_STEP_MS
      if (cache.size >= MOST_CACHED) cache.clear()
      cache.set(step, offset)
    }
    return offset
  }
}

function dateFormat(timezone: string): Intl.DateTimeFormat {
  const numeric = 'numeric' as const
  const fields = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric }
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: timezone, hourCycle: 'h23', era: 'short', ...fields })
  } catch (cause) {
    const mend = 'Give a name of the tz database, for instance Europe/Berlin or UTC, or local'
    throw new UsageError(`unknown time zone ${JSON.stringify(timezone.slice(0, 60))}`, { mend, cause })
  }
}

/** What a clock on the wall of that zone shows, as if it were UTC. */
function wallClockMs(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts = new Map(format.formatToParts(utcMs).map((part) => [part.type, Number(part.value)]))
  const get = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
  return Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'))
}
