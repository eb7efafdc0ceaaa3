import { expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import { ExpiryTimer } from './expiry-timer.ts'

const START = Date.UTC(2026, 2, 1, 12)

/** A timer over a list of ends, which a sweep removes one at a time. */
function timerOver(ends: number[]) {
  const clock = new ManualClock(START)
  const sweptAt: number[] = []
  const errors: unknown[] = []
  let running = 0
  const state = { clock, sweptAt, errors, fail: false, release: undefined as (() => void) | undefined, hold: false }
  const timer = new ExpiryTimer({
    clock,
    nextMs: () => ends.toSorted((a, b) => a - b)[0],
    sweep: async () => {
      expect(++running).toBe(1)
      sweptAt.push(clock.now() - START)
      if (state.hold) await new Promise<void>((resolve) => (state.release = resolve))
      running--
      if (state.fail) throw new Error('disk full')
      const due = ends.findIndex((end) => end <= clock.now())
      if (due >= 0) ends.splice(due, 1)
    },
    onError: (error) => errors.push(error),
  })
  return { ...state, state, timer, ends }
}

/** Lets promises settle. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

async function advance(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

it('sweeps when something ends, and all that is due', async () => {
  const { timer, clock, sweptAt, ends } = timerOver([START + 5000, START + 5000, START + 5100])
  timer.start()
  await advance(clock, 4999)
  expect(sweptAt).toEqual([])
  await advance(clock, 1)
  expect(sweptAt).toEqual([5000, 5000])
  await advance(clock, 100)
  expect(sweptAt.length).toBe(2)
  await advance(clock, 150)
  expect(sweptAt).toEqual([5000, 5000, 5250])
  expect(ends).toEqual([])
})

it('is re-armed each minute, and notices a clock that jumped', async () => {
  const { timer, clock, sweptAt } = timerOver([START + 90 * 86_400_000])
  timer.start()
  await advance(clock, 60_000)
  await advance(clock, 60_000)
  expect(sweptAt).toEqual([60_000, 120_000])
})

it('wakes for what was committed later and ends earlier', async () => {
  const { timer, clock, sweptAt, ends } = timerOver([START + 50_000])
  timer.start()
  ends.push(START + 1000)
  timer.wake()
  await advance(clock, 1000)
  expect(sweptAt).toEqual([1000])
})

it('goes on after an error, a second later', async () => {
  const { timer, clock, sweptAt, errors, state } = timerOver([START + 1000])
  state.fail = true
  timer.start()
  await advance(clock, 1000)
  expect(errors.length).toBe(1)
  state.fail = false
  await advance(clock, 999)
  expect(sweptAt.length).toBe(1)
  await advance(clock, 1)
  expect(sweptAt).toEqual([1000, 2000])
})

it('waits longer the more often it fails, half a minute at most', async () => {
  const { timer, clock, sweptAt, state } = timerOver([START + 1000])
  state.fail = true
  timer.start()
  for (let second = 0; second < 100; second++) await advance(clock, 1000)
  expect(sweptAt.map((at) => at / 1000)).toEqual([1, 2, 4, 8, 16, 32, 62, 92])
})

it('never sweeps twice at once, and ends when told to', async () => {
  const { timer, clock, sweptAt, state } = timerOver([START + 1000, START + 1001])
  state.hold = true
  timer.start()
  await advance(clock, 1000)
  timer.wake()
  await advance(clock, 100_000)
  expect(sweptAt.length).toBe(1)
  const disposed = timer[Symbol.asyncDispose]()
  state.release?.()
  await disposed
  await advance(clock, 100_000)
  expect(sweptAt.length).toBe(1)
})
