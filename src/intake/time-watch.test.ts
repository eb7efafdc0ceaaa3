import { describe, expect, it } from 'vitest'
import { type TimeTrouble, timeWords } from '../core/time-trouble.ts'
import { ManualClock } from '../lib/clock.ts'
import { TimeWatch } from './time-watch.ts'

const START = Date.parse('2026-11-22T16:20:00Z')
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A watch of a log that is read live, in UTC unless told. */
function setUp({ live = true, timezone = 'UTC', windowMs = 30 * MINUTE } = {}) {
  const clock = new ManualClock(START)
  const watch = new TimeWatch({ timezone, clock, windowMs: () => windowMs })
  if (live) watch.caughtUp()
  /** `count` logins, one each `everyMs`, each dated `aheadMs` ahead; what was told of them. */
  const logins = (count: number, aheadMs: number, { everyMs = 2 * MINUTE, zoned = false } = {}) => {
    const told: TimeTrouble[] = []
    for (let i = 0; i < count; i++) {
      clock.advance(everyMs)
      const trouble = watch.login(clock.now() + aheadMs, zoned)
      if (trouble !== undefined) told.push(trouble)
    }
    return told
  }
  return { clock, watch, logins }
}

describe('lines ahead of the clock', () => {
  it('are told at the third, with zones that explain them', () => {
    const { watch, logins } = setUp()
    expect(logins(2, 2 * HOUR - 3000)).toEqual([])
    const [trouble] = logins(1, 2 * HOUR - 20_000)
    expect(trouble).toMatchObject({ kind: 'ahead', offsetMs: 2 * HOUR, cause: 'zone', logins: 3, isLost: true })
    expect(trouble?.zones).toEqual(['Europe/Athens', 'Africa/Johannesburg'])
    expect(timeWords(trouble as TimeTrouble)).toBe(
      'lines are 2 h ahead of the clock, and their logins open nothing: they are probably written in another zone than ' +
        'UTC (Europe/Athens, Africa/Johannesburg?); set timezone: for this source',
    )
    expect(watch.trouble).toEqual(trouble)
  })

  it('are no trouble up to five minutes', () => {
    const { watch, logins } = setUp()
    expect(logins(100, 5 * MINUTE)).toEqual([])
    expect(watch.trouble).toBeUndefined()
    logins(3, 5 * MINUTE + 1)
    expect(watch.trouble).toMatchObject({ kind: 'ahead', cause: 'either' })
  })

  it('are told once an hour while they come', () => {
    const { logins } = setUp()
    expect(logins(90, HOUR).map(({ logins }) => logins)).toEqual([3, 33, 63])
  })

  it('are told again where they stopped and began again', () => {
    const { watch, logins } = setUp()
    expect(logins(5, HOUR)).toHaveLength(1)
    logins(20, 0)
    expect(watch.trouble).toBeUndefined()
    expect(logins(5, HOUR)).toHaveLength(1)
  })

  it('are not told again for a few good ones between, as where one host of several is wrong', () => {
    const { logins } = setUp()
    const told = Array.from({ length: 10 }, () => [...logins(1, HOUR, { everyMs: 1000 }), ...logins(9, 0)]).flat()
    expect(told.length).toBe(2)
  })

  it('are forgotten after an hour without', () => {
    const { clock, watch, logins } = setUp()
    logins(5, HOUR)
    clock.advance(HOUR - 1)
    expect(watch.trouble).toBeDefined()
    clock.advance(1)
    expect(watch.trouble).toBeUndefined()
  })

  it('of a backlog are told at its end, by the last of them', () => {
    const { clock, watch } = setUp({ live: false })
    const told = Array.from({ length: 50 }, (_, i) => watch.login(clock.now() + HOUR + i * MINUTE + 11 * MINUTE, false))
    expect(told.filter(Boolean)).toEqual([])
    expect(watch.caughtUp()).toMatchObject({ offsetMs: 2 * HOUR, cause: 'zone', logins: 50 })
  })

  it('of a log that never pauses are told after a minute', () => {
    const { logins } = setUp({ live: false })
    expect(logins(60, HOUR, { everyMs: 2000 })).toHaveLength(1)
  })

  it.each([
    ['that is no whole number of quarter hours', 17 * MINUTE, 'UTC'],
    ['that no zone explains', 23 * HOUR + 15 * MINUTE, 'UTC'],
    ['that no zone explains in that zone', 3 * HOUR, 'Pacific/Kiritimati'],
  ])('by a time %s may be of a wrong clock', (_, aheadMs, timezone) => {
    const [trouble] = setUp({ timezone }).logins(3, aheadMs)
    expect(trouble).toMatchObject({ cause: 'either', zones: [], offsetMs: aheadMs })
    expect(timeWords(trouble as TimeTrouble)).toContain('the clock of a host is wrong, or')
  })

  it('that name their zone are of a wrong clock', () => {
    const [trouble] = setUp().logins(3, 2 * HOUR, { zoned: true })
    expect(trouble).toMatchObject({ cause: 'clock', zones: [] })
    expect(timeWords(trouble as TimeTrouble)).toMatch(
      /^lines are 2 h ahead of the clock, .*: they name their zone, so the/,
    )
  })

  it('are told by a clock that was set back, too', () => {
    const { clock, logins } = setUp()
    expect(logins(5, HOUR)).toHaveLength(1)
    clock.set(clock.now() - 24 * HOUR)
    expect(logins(5, HOUR)).toHaveLength(1)
  })
})

describe('lines behind the clock', () => {
  it('are told where all come in by the same whole quarter hours', () => {
    const { watch, logins } = setUp()
    const [trouble, ...more] = logins(10, -5 * HOUR - 4000)
    expect(more).toEqual([])
    expect(trouble).toMatchObject({ kind: 'behind', offsetMs: 5 * HOUR, cause: 'zone', logins: 5, isLost: true })
    expect(trouble?.zones).toEqual(['America/New_York', 'America/Bogota'])
    expect(watch.trouble).toMatchObject({ logins: 10 })
  })

  it('still open for less where the window is longer than that', () => {
    const [trouble] = setUp({ windowMs: 7 * 24 * HOUR }).logins(5, -HOUR)
    expect(timeWords(trouble as TimeTrouble)).toMatch(
      /^lines are 1 h behind the clock, and their logins open for that much less:/,
    )
  })

  it('are nothing in a backlog, which is old', () => {
    const { watch, logins } = setUp({ live: false })
    expect(logins(50, -HOUR)).toEqual([])
    expect(watch.trouble).toBeUndefined()
  })

  it('are a delay where they come in at once', () => {
    expect(setUp().logins(500, -HOUR, { everyMs: 100 })).toEqual([])
  })

  it('are a delay where they come by different times', () => {
    const { logins } = setUp()
    const lags = [60, 45, 41, 60, 59, 60, 70, 60, 61, 60, 52, 60]
    expect(lags.flatMap((minutes) => logins(1, -minutes * MINUTE))).toEqual([])
  })

  it('are a delay by a quarter of an hour', () => {
    expect(setUp().logins(50, -15 * MINUTE)).toEqual([])
  })
})

it('costs the same however many logins come', () => {
  const { watch, logins } = setUp()
  logins(10_000, HOUR, { everyMs: 100 })
  expect(watch.trouble?.logins).toBe(10_000)
  expect(JSON.stringify(watch.trouble).length).toBeLessThan(400)
})
