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
