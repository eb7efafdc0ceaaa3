import { describe, expect, it } from 'vitest'
import type { LogTime } from '../core/log-line.ts'
import { UsageError } from '../errors.ts'
import { LineClock } from './line-time.ts'

function civil(text: string, year?: number): LogTime {
  const [month, day, hour, minute, second] = text.split(/\D/).map(Number) as [number, number, number, number, number]
  const time = { kind: 'civil' as const, month, day, hour, minute, second, millisecond: 0 }
  return year === undefined ? time : { ...time, year }
}

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())
const newest = Date.UTC(2026, 10, 22, 12)

describe('LineClock', () => {
  it('takes an absolute time as it is', () => {
    expect(new LineClock({ timezone: 'Europe/Berlin' }).toMs({ kind: 'absolute', atMs: 5 }, newest)).toBe(5)
  })

  it('reads civil time in the zone, in winter and in summer', () => {
    const clock = new LineClock({ timezone: 'Europe/Berlin' })
    expect(iso(clock.toMs(civil('11-22 13:00:00'), newest))).toBe('2026-11-22T12:00:00.000Z')
    expect(iso(clock.toMs(civil('07-01 13:00:00'), newest))).toBe('2026-07-01T11:00:00.000Z')
  })

  it.each(['America/St_Johns', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia', 'Africa/Casablanca', 'UTC'])(
    'finds back every hour of a year in %s',
    (timezone) => {
      const clock = new LineClock({ timezone })
      const format = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'medium' })
      for (let atMs = Date.UTC(2025, 0, 2); atMs < Date.UTC(2026, 0, 2); atMs += 3_600_000) {
        const [year, ...rest] = format.format(atMs).split(/\D/)
        clock.lastMs = atMs - 60_000
        const wall = civil(`${rest[0]}-${rest[1]} ${rest[2]}:${rest[3]}:${rest[4]}`, Number(year))
        expect(clock.toMs(wall, newest)).toBe(atMs)
      }
    },
  )

  it('reads the zone of this host as Date does', () => {
    const clock = new LineClock({ timezone: 'local' })
    expect(clock.toMs(civil('06-15 10:20:30', 2026), newest)).toBe(new Date(2026, 5, 15, 10, 20, 30).getTime())
  })

  it('takes a year when it is given', () => {
    expect(iso(new LineClock({ timezone: 'UTC', year: 2004 }).toMs(civil('02-29 00:00:00'), newest))).toBe(
      '2004-02-29T00:00:00.000Z',
    )
    expect(new LineClock({ timezone: 'UTC', year: 2005 }).toMs(civil('02-29 00:00:00'), newest)).toBeUndefined()
  })

  it.each([
    [
      'a line of December read in January is of the year before',
      '12-31 23:59:59',
      '2026-01-01T00:00:10Z',
      '2025-12-31T23:59:59.000Z',
    ],
    [
      'a line of January written before the clock shows January',
      '01-01 00:00:01',
      '2025-12-31T23:59:50Z',
      '2026-01-01T00:00:01.000Z',
    ],
    ['up to a day ahead is the same year', '11-23 11:00:00', '2026-11-22T12:00:00Z', '2026-11-23T11:00:00.000Z'],
    ['more than a day ahead is a year ago', '11-24 12:00:01', '2026-11-22T12:00:00Z', '2025-11-24T12:00:01.000Z'],
    ['29 February is of the last leap year', '02-29 10:00:00', '2026-11-22T12:00:00Z', '2024-02-29T10:00:00.000Z'],
    ['also over a century that is none', '02-29 10:00:00', '2103-11-22T12:00:00Z', '2096-02-29T10:00:00.000Z'],
  ])('%s', (_name, line, newestText, wanted) => {
    expect(iso(new LineClock({ timezone: 'UTC' }).toMs(civil(line), Date.parse(newestText)))).toBe(wanted)
  })

  it('reads the hour that happens twice so that the log goes forward', () => {
    const clock = new LineClock({ timezone: 'Europe/Berlin' })
    const read = (text: string) => iso(clock.toMs(civil(text, 2026), newest))
    expect(read('10-25 01:59:00')).toBe('2026-10-24T23:59:00.000Z')
    expect(read('10-25 02:10:00')).toBe('2026-10-25T00:10:00.000Z')
    expect(read('10-25 02:50:00')).toBe('2026-10-25T00:50:00.000Z')
    expect(read('10-25 02:05:00')).toBe('2026-10-25T01:05:00.000Z')
    expect(read('10-25 02:03:00')).toBe('2026-10-25T01:03:00.000Z')
    expect(read('10-25 02:40:00')).toBe('2026-10-25T01:40:00.000Z')
    expect(read('10-25 03:00:00')).toBe('2026-10-25T02:00:00.000Z')
  })

  it('takes the one nearest to the newest time where there was no line before', () => {
    const clock = () => new LineClock({ timezone: 'Europe/Berlin' })
    expect(iso(clock().toMs(civil('10-25 02:30:00'), Date.parse('2026-10-25T01:31:00Z')))).toBe(
      '2026-10-25T01:30:00.000Z',
    )
    expect(iso(clock().toMs(civil('10-25 02:30:00'), Date.parse('2026-10-25T00:31:00Z')))).toBe(
      '2026-10-25T00:30:00.000Z',
    )
  })

  it('reads the hour that is skipped with the offset before', () => {
    const clock = new LineClock({ timezone: 'Europe/Berlin' })
    expect(iso(clock.toMs(civil('03-29 02:30:00', 2026), newest))).toBe('2026-03-29T01:30:00.000Z')
  })

  it('names the zone that it does not know', () => {
    expect(() => new LineClock({ timezone: 'Mars/Base' })).toThrow(UsageError)
    expect(() => new LineClock({ timezone: 'Mars/Base' })).toThrow('unknown time zone "Mars/Base"')
  })
})
