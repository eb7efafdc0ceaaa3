import { expect, it } from 'vitest'
import { ManualClock } from './clock.ts'

it('runs timers in order of their time, each at its own time', () => {
  const clock = new ManualClock(1000)
  const seen: [string, number][] = []
  clock.setTimer(50, () => seen.push(['late', clock.now()]))
  clock.setTimer(10, () => {
    seen.push(['early', clock.now()])
    clock.setTimer(10, () => seen.push(['chained', clock.now()]))
  })
  const cancel = clock.setTimer(20, () => seen.push(['cancelled', clock.now()]))
  cancel()
  clock.advance(40)
  expect(seen).toEqual([
    ['early', 1010],
    ['chained', 1020],
  ])
  clock.advance(10)
  expect(seen.at(-1)).toEqual(['late', 1050])
})

it('that is stepped shows another time, and neither hurries timers nor holds them up', () => {
  const clock = new ManualClock(1000)
  const seen: number[] = []
  clock.setTimer(50, () => seen.push(clock.elapsedMs()))
  const startMs = clock.elapsedMs()
  clock.step(7000)
  clock.step(-10_000)
  expect(clock.now()).toBe(-2000)
  expect(clock.elapsedMs()).toBe(startMs)
  clock.advance(49)
  expect(seen).toEqual([])
  clock.advance(1)
  expect(seen).toEqual([startMs + 50])
})
