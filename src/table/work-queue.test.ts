import { expect, it } from 'vitest'
import { WorkQueue } from './work-queue.ts'

/** A promise to be settled by hand. */
function gate() {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

it('prepares the next piece while one is being finished, and one only', async () => {
  const queue = new WorkQueue()
  const done: string[] = []
  const gates = [gate(), gate(), gate()]
  const pieces = gates.map(({ opened }, i) =>
    queue.runInStages(
      async () => done.push(`prepared ${i}`),
      async () => {
        await opened
        done.push(`finished ${i}`)
        return i
      },
    ),
  )
  const alone = queue.run(async () => done.push('alone'))
  await turn()
  expect(done).toEqual(['prepared 0', 'prepared 1'])
  gates[0]?.open()
  await turn()
  expect(done).toEqual(['prepared 0', 'prepared 1', 'finished 0', 'prepared 2'])
  gates[2]?.open()
  await turn()
  expect(done).toHaveLength(4)
  gates[1]?.open()
  expect(await Promise.all(pieces)).toEqual([0, 1, 2])
  await alone
  expect(done.slice(4)).toEqual(['finished 1', 'finished 2', 'alone'])
})

it('goes on behind pieces that fail in either stage', async () => {
  const queue = new WorkQueue()
  const fails = () => Promise.reject(new Error('no'))
  const works = async () => 'yes'
  await expect(queue.runInStages(fails, works)).rejects.toThrow('no')
  await expect(queue.runInStages(works, fails)).rejects.toThrow('no')
  await expect(queue.run(fails)).rejects.toThrow('no')
  expect(await queue.runInStages(works, works)).toBe('yes')
})

it('finishes what it was given before it closes, and takes nothing after', async () => {
  const queue = new WorkQueue()
  const { opened, open } = gate()
  let isFinished = false
  void queue.runInStages(
    async () => {},
    async () => {
      await opened
      isFinished = true
    },
  )
  const closing = queue.close()
  await expect(queue.run(async () => {})).rejects.toThrow('it is closed')
  open()
  await closing
  expect(isFinished).toBe(true)
})
