import { expect, it } from 'vitest'
import { mapInTurns } from './map-in-turns.ts'

it('gives the results in order', async () => {
  const items = Array.from({ length: 1000 }, (_, i) => i)
  expect(await mapInTurns(items, (item, index) => item * 2 + index)).toEqual(items.map((i) => 3 * i))
  expect(await mapInTurns([], () => 1)).toEqual([])
})

it('lets other work be done in between', async () => {
  let turns = 0
  const count = () => {
    turns++
    if (turns < 1000) setImmediate(count)
  }
  setImmediate(count)
  await mapInTurns(Array(1000).fill(0), () => 0)
  expect(turns).toBeGreaterThan(5)
  turns = 1000
})

it('rejects with what the action throws', async () => {
  await expect(
    mapInTurns([1], () => {
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
})
