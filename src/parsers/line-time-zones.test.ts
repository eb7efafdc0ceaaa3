/** Lines without year or zone find their moment back: any zone, any day, at the changes of its offset, whenever they are read. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import type { LogTime } from '../core/log-line.ts'
import { zoneOffset } from '../lib/zone-offset.ts'
import { LineClock } from './line-time.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns', // half hours
  'Australia/Lord_Howe', // summer time of 30 minutes
  'Asia/Kathmandu', // 5 h 45 min, no summer time
  'Pacific/Apia', // went over the date line in 2011
  'Africa/Casablanca', // summer time is suspended in Ramadan
  'Africa/Cairo', // changes at midnight
  'America/Nuuk', // changed its zone in 2023
  'UTC',
] as const

/** What syslog writes at `atMs` in a zone. */
function written(atMs: number, zone: string): Extract<LogTime, { kind: 'civil' }> {
  const wall = new Date(atMs + zoneOffset(zone)(atMs))
  return {
    kind: 'civil',
    month: wall.getUTCMonth() + 1,
    day: wall.getUTCDate(),
    hour: wall.getUTCHours(),
    minute: wall.getUTCMinutes(),
    second: wall.getUTCSeconds(),
    millisecond: 0,
  }
}

/** The moments of 2012 to 2030 at which the offset of a zone changes, to 15 minutes. */
function changesOf(zone: string): number[] {
  const offset = zoneOffset(zone)
  const changes: number[] = []
  for (let day = Date.UTC(2012, 0, 1); day < Date.UTC(2031, 0, 1); day += DAY) {
    if (offset(day) === offset(day + DAY)) continue
    let at = day
    while (offset(at) === offset(day)) at += 15 * MINUTE
    changes.push(at)
  }
  return changes
}

const CHANGES = new Map(ZONES.map((zone) => [zone as string, changesOf(zone)]))
const zone = fc.constantFrom(...ZONES)
const moment = fc.integer({ min: Date.UTC(2012, 0, 1) / SECOND, max: Date.UTC(2030, 11, 1) / SECOND })
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())

describe('a line without year and zone', () => {
  it('is dated as it was written, read within a year less a day', () => {
    fc.assert(
      fc.property(zone, moment, fc.integer({ min: -23 * HOUR, max: 363 * DAY }), (timezone, second, laterMs) => {
        const atMs = second * SECOND
        // The doubled hour has tests of its own.
        fc.pre((CHANGES.get(timezone) ?? []).every((change) => Math.abs(change - atMs) > 2 * HOUR))
        const clock = new LineClock({ timezone })
        expect(iso(clock.toMs(written(atMs, timezone), atMs + laterMs))).toBe(iso(atMs))
      }),
      effort(2000),
    )
  })

  it('is of the year before in January, and of the next one in December, in any zone', () => {
    fc.assert(
      fc.property(
        zone,
        fc.integer({ min: 2012, max: 2030 }),
        fc.integer({ min: -DAY / SECOND, max: DAY / SECOND }),
        fc.integer({ min: -5 * MINUTE, max: 3 * DAY }),
        (timezone, year, seconds, laterMs) => {
          const atMs = Date.UTC(year, 0, 1) + seconds * SECOND
          expect(iso(new LineClock({ timezone }).toMs(written(atMs, timezone), atMs + laterMs))).toBe(iso(atMs))
        },
      ),
      effort(1000),
    )
  })

  it('of 29 February is of that day, read up to the end of the year', () => {
    for (const timezone of ZONES)
      for (const later of [0, HOUR, DAY, 30 * DAY, 300 * DAY]) {
        const atMs = Date.UTC(2028, 1, 29, 11, 59, 58)
        const time = written(atMs, timezone)
        if (time.day !== 29) continue
        expect(iso(new LineClock({ timezone }).toMs(time, atMs + later))).toBe(iso(atMs))
      }
  })
})

describe('a log over a change of the offset', () => {
  it.each(ZONES.filter((zone) => (CHANGES.get(zone)?.length ?? 0) > 0))(
    'in %s is followed to the second',
    (timezone) => {
      const changes = CHANGES.get(timezone) as number[]
      const gaps = fc.array(fc.integer({ min: 1, max: 20 * 60 }), { minLength: 20, maxLength: 40 })
      fc.assert(
        fc.property(fc.constantFrom(...changes), gaps, (change, seconds) => {
          const clock = new LineClock({ timezone })
          let atMs = change - 3 * HOUR
          for (const gap of seconds) {
            atMs += gap * SECOND
            expect(iso(clock.toMs(written(atMs, timezone), change + 30 * DAY))).toBe(iso(atMs))
          }
        }),
        effort(60),
      )
    },
  )

  it.each(ZONES.filter((zone) => (CHANGES.get(zone)?.length ?? 0) > 0))(
    'in %s is read live to the second, however seldom a line comes',
    (timezone) => {
      const changes = CHANGES.get(timezone) as number[]
      const gaps = fc.array(fc.integer({ min: 1, max: 6 * 3600 }), { minLength: 3, maxLength: 12 })
      fc.assert(
        fc.property(fc.constantFrom(...changes), gaps, fc.nat(3000), (change, seconds, lateMs) => {
          const clock = new LineClock({ timezone })
          let atMs = change - 12 * HOUR
          for (const gap of seconds) {
            // The log is looked at each second.
            clock.oldestMs = Math.max(atMs, atMs + gap * SECOND - SECOND)
            atMs += gap * SECOND
            expect(iso(clock.toMs(written(atMs, timezone), atMs + lateMs))).toBe(iso(atMs))
          }
        }),
        effort(60),
      )
    },
  )

  it.each([
    ['Europe/Berlin', '2026-10-25T00:30:00Z', HOUR],
    ['America/New_York', '2026-11-01T05:30:00Z', HOUR],
    ['Australia/Lord_Howe', '2026-04-04T14:40:00Z', HOUR / 2],
    ['Africa/Casablanca', '2026-02-15T01:30:00Z', HOUR],
  ])(
    'in %s: a line of the doubled time that is read late is not taken for one that is still to come',
    (timezone, at, doubledMs) => {
      const atMs = Date.parse(at)
      const time = written(atMs, timezone)
      expect(written(atMs + doubledMs, timezone)).toEqual(time)
      const clock = new LineClock({ timezone })
      clock.lastMs = atMs + 10 * MINUTE
      expect(iso(clock.toMs(time, atMs + 10 * MINUTE))).toBe(iso(atMs))
      clock.lastMs = atMs + 10 * MINUTE
      expect(iso(clock.toMs(time, atMs + DAY))).toBe(iso(atMs + doubledMs))
    },
  )

  it.each([
    ['Europe/Berlin', 2026, '03-29 02:30', '2026-03-29T01:30:00.000Z'],
    ['America/New_York', 2026, '03-08 02:30', '2026-03-08T07:30:00.000Z'],
    ['Australia/Lord_Howe', 2026, '10-04 02:15', '2026-10-03T15:45:00.000Z'],
    ['Africa/Casablanca', 2026, '03-22 02:30', '2026-03-22T02:30:00.000Z'],
    ['Pacific/Apia', 2011, '12-30 12:00', '2011-12-30T22:00:00.000Z'],
  ])('in %s reads a time of %d that is skipped with the offset before', (timezone, year, text, wanted) => {
    const [month, day, hour, minute] = text.split(/\D/).map(Number) as [number, number, number, number]
    const time = { kind: 'civil' as const, month, day, hour, minute, second: 0, millisecond: 0 }
    expect(iso(new LineClock({ timezone }).toMs(time, Date.UTC(year, 11, 31, 23)))).toBe(wanted)
  })

  it('goes over the date line with Apia: 29 December 2011 is followed by the 31st', () => {
    const clock = new LineClock({ timezone: 'Pacific/Apia' })
    for (let atMs = Date.UTC(2011, 11, 28); atMs < Date.UTC(2012, 0, 3); atMs += 17 * MINUTE) {
      const time = written(atMs, 'Pacific/Apia')
      expect([time.month, time.day]).not.toEqual([12, 30])
      expect(iso(clock.toMs(time, atMs + SECOND))).toBe(iso(atMs))
    }
  })
})
