/** In which zone a log may be written, from how far its lines are off. */
import { zoneOffset } from '../lib/zone-offset.ts'

const MOST_NAMED = 2

/** Zones with many mail hosts first; together they have every offset that is in use, in winter and in summer. */
const KNOWN_ZONES = [
  ...['UTC', 'Europe/Berlin', 'Europe/London', 'Europe/Athens', 'Europe/Moscow', 'America/New_York', 'America/Chicago'],
  ...['America/Denver', 'America/Los_Angeles', 'America/Sao_Paulo', 'Asia/Kolkata', 'Asia/Shanghai', 'Asia/Tokyo'],
  ...['Australia/Sydney', 'Pacific/Auckland', 'Africa/Lagos', 'Africa/Johannesburg', 'Europe/Istanbul', 'Asia/Dubai'],
  ...['Asia/Karachi', 'Asia/Dhaka', 'Asia/Bangkok', 'Asia/Singapore', 'Australia/Brisbane', 'Pacific/Noumea'],
  ...['Pacific/Fiji', 'America/Phoenix', 'America/Mexico_City', 'America/Bogota', 'America/Halifax', 'America/Caracas'],
  ...[
    'America/Anchorage',
    'America/Adak',
    'Pacific/Honolulu',
    'Pacific/Pago_Pago',
    'America/St_Johns',
    'Atlantic/Azores',
  ],
  ...['Atlantic/Cape_Verde', 'America/Noronha', 'Asia/Tehran', 'Asia/Kabul', 'Asia/Kathmandu', 'Asia/Yangon'],
  ...['Australia/Darwin', 'Australia/Adelaide', 'Australia/Eucla', 'Australia/Lord_Howe', 'Pacific/Marquesas'],
  ...['Pacific/Chatham', 'Pacific/Tongatapu', 'Pacific/Kiritimati'],
]

/**
 * Names of zones (at most two, the likeliest first) in which lines must be written that seem `aheadMs` ahead of the clock (negative: behind)
 * when read in `timezone`; none where no zone has that offset at `nowMs`. Takes some milliseconds: not for every line.
 */
export function guessZones(aheadMs: number, timezone: string, nowMs: number): string[] {
  const wantedMs = zoneOffset(timezone)(nowMs) + aheadMs
  const host = new Intl.DateTimeFormat().resolvedOptions().timeZone
  const found: string[] = []
  for (const zone of new Set([host, ...KNOWN_ZONES])) {
    if (offsetOf(zone, nowMs) === wantedMs) found.push(zone)
    if (found.length === MOST_NAMED) break
  }
  return found
}

/** A zone that this Node does not know explains nothing. */
function offsetOf(zone: string, atMs: number): number | undefined {
  try {
    return zoneOffset(zone)(atMs)
  } catch {
    return undefined
  }
}
