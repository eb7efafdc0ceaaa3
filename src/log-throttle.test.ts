import { expect, it } from 'vitest'
import { ManualClock } from './lib/clock.ts'
import { type LeftOut, LINES_PER_SECOND, LogThrottle } from './log-throttle.ts'

function setUp() {
  const clock = new ManualClock(1_000_000)
  const told: LeftOut[] = []
  return { clock, told, throttle: new LogThrottle(clock, (leftOut) => told.push(leftOut)) }
}

const written = (throttle: LogThrottle, message: string, times: number) =>
  Array.from({ length: times }, () => throttle.allows(message)).filter((isWritten) => isWritten).length

it('writes the first lines of each second and counts the others, by message', () => {
  const { clock, told, throttle } = setUp()
  expect(written(throttle, 'refused', LINES_PER_SECOND + 2)).toBe(LINES_PER_SECOND)
  expect(written(throttle, 'granted', LINES_PER_SECOND)).toBe(LINES_PER_SECOND)
  expect(written(throttle, 'granted', 7)).toBe(0)
  expect(told).toEqual([])
  clock.advance(1_000)
  expect(told).toEqual([{ refused: 2, granted: 7 }])
  expect(written(throttle, 'granted', 2)).toBe(2)
  clock.advance(10_000)
  expect(told).toHaveLength(1)
})

it('is not silenced by a clock that was set back', () => {
  const { clock, throttle } = setUp()
  written(throttle, 'granted', LINES_PER_SECOND + 1)
  clock.set(5_000)
  expect(throttle.allows('granted')).toBe(true)
})

it('tells at the end what was left out until then', () => {
  const { told, throttle } = setUp()
  written(throttle, 'granted', LINES_PER_SECOND + 1)
  throttle.flush()
  throttle.flush()
  expect(told).toEqual([{ granted: 1 }])
})
