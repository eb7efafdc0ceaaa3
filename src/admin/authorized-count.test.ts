import { expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizedCount, LONGEST_WAIT_MS } from './authorized-count.ts'

function setUp() {
  const clock = new ManualClock(0)
  const waiting: { done: (n: number) => void; fail: (error: Error) => void }[] = []
  let changed = () => {}
  const count = () => new Promise<number>((done, fail) => void waiting.push({ done, fail }))
  const onChange = (listener: () => void) => {
    changed = listener
  }
  return { clock, waiting, counts: new AuthorizedCount({ count, clock, onChange }), change: () => changed() }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

it('counts only where something has changed, and once for all who ask', async () => {
  const { clock, waiting, counts, change } = setUp()
  const asked = Promise.all([counts.latest(), counts.latest()])
  expect(waiting).toHaveLength(1)
  waiting[0]?.done(7)
  expect(await asked).toEqual([7, 7])
  clock.advance(3_600_000)
  expect(await counts.latest()).toBe(7)
  expect(waiting).toHaveLength(1)
  change()
  const again = counts.latest()
  waiting[1]?.done(8)
  expect(await again).toBe(8)
})

it('keeps nobody waiting: the last number is given, at first none', async () => {
  const { clock, waiting, counts, change } = setUp()
  const first = counts.latest()
  clock.advance(LONGEST_WAIT_MS)
  expect(await first).toBeNull()
  waiting[0]?.done(7)
  await settle()
  expect(await counts.latest()).toBe(7)
  change()
  clock.advance(60_000)
  const second = counts.latest()
  clock.advance(LONGEST_WAIT_MS)
  expect(await second).toBe(7)
})

it('counts a table that takes long seldom, and a change during the count is not forgotten', async () => {
  const { clock, waiting, counts, change } = setUp()
  void counts.latest()
  change()
  clock.advance(5_000)
  waiting[0]?.done(7)
  await settle()
  clock.advance(49_000)
  expect(await counts.latest()).toBe(7)
  expect(waiting).toHaveLength(1)
  clock.advance(1_000)
  void counts.latest()
  expect(waiting).toHaveLength(2)
})

it('tells a table that cannot be read, and tries again', async () => {
  const { waiting, counts } = setUp()
  const failing = counts.latest()
  waiting[0]?.fail(new Error('damaged'))
  await expect(failing).rejects.toThrow('damaged')
  const again = counts.latest()
  waiting[1]?.done(1)
  expect(await again).toBe(1)
})
