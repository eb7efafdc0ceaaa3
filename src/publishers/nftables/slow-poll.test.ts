import { expect, it } from 'vitest'
import { ManualClock } from '../../lib/clock.ts'
import { SlowPoll } from './slow-poll.ts'

const turns = async () => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

function polled(askMs: number) {
  const clock = new ManualClock(1_700_000_000_000)
  const asked: number[] = []
  const poll = new SlowPoll(clock, async () => {
    asked.push(clock.elapsedMs())
    if (askMs > 0) await new Promise<void>((resolve) => void clock.setTimer(askMs, resolve))
  })
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 500) {
      clock.advance(500)
      await turns()
    }
  }
  return { asked, poll, pass }
}

it('asks each 5 seconds', async () => {
  const { asked, poll, pass } = polled(0)
  await pass(20_000)
  expect(asked).toHaveLength(4)
  poll.close()
})

it('asks less often where asking takes long', async () => {
  const { asked, poll, pass } = polled(1000)
  await pass(26_000)
  expect(asked).toHaveLength(2)
  poll.close()
})

it('asks no more once it is closed, also where it was asking', async () => {
  const { asked, poll, pass } = polled(1000)
  await pass(5500)
  poll.close()
  await pass(120_000)
  expect(asked).toHaveLength(1)
})
