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

it('prepares pieces one by one while others are being finished, and finishes together what waited', async () => {
  const done: string[] = []
  const gates = [gate(), gate()]
  let runs = 0
  const queue = new WorkQueue<number>(async (pieces) => {
    await gates[runs++]?.opened
    done.push(`finished ${pieces.join(' ')}`)
    return pieces.map(() => undefined)
  })
  const pieces = [0, 1, 2].map((i) =>
    queue.runInStages(async () => {
      done.push(`prepared ${i}`)
      return i
    }),
  )
  const alone = queue.run(async () => done.push('alone'))
  await turn()
  expect(done).toEqual(['prepared 0', 'prepared 1', 'prepared 2'])
  expect(await Promise.all(pieces.map(({ prepared }) => prepared))).toEqual([0, 1, 2])
  gates[0]?.open()
  await turn()
  expect(done.slice(3)).toEqual(['finished 0'])
  gates[1]?.open()
  expect(await Promise.all(pieces.map(({ finished }) => finished))).toEqual([0, 1, 2])
  await alone
  expect(done.slice(4)).toEqual(['finished 1 2', 'alone'])
})

it('goes on behind pieces that fail in either stage', async () => {
  const queue = new WorkQueue<string>(async (pieces) =>
    pieces.map((piece) => (piece === 'bad' ? new Error('no') : undefined)),
  )
  const fails = () => Promise.reject(new Error('no'))
  const first = queue.runInStages(fails)
  await expect(first.prepared).rejects.toThrow('no')
  await expect(first.finished).rejects.toThrow('no')
  const second = queue.runInStages(async () => 'bad')
  expect(await second.prepared).toBe('bad')
  await expect(second.finished).rejects.toThrow('no')
  await expect(queue.run(fails)).rejects.toThrow('no')
  expect(await queue.runInStages(async () => 'good').finished).toBe('good')
})

it('fails all that were finished together where finishing fails as a whole', async () => {
  const queue = new WorkQueue<string>(() => Promise.reject(new Error('no')))
  const pieces = [1, 2].map(() => queue.runInStages(async () => 'good'))
  for (const { finished } of pieces) await expect(finished).rejects.toThrow('no')
})

it('finishes what it was given before it closes, and takes nothing after', async () => {
  const { opened, open } = gate()
  let isFinished = false
  const queue = new WorkQueue<void>(async () => {
    await opened
    isFinished = true
    return [undefined]
  })
  queue.runInStages(async () => {})
  const closing = queue.close()
  await expect(queue.run(async () => {})).rejects.toThrow('it is closed')
  await expect(queue.runInStages(async () => {}).finished).rejects.toThrow('it is closed')
  open()
  await closing
  expect(isFinished).toBe(true)
})
