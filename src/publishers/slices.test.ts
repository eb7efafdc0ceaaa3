import { expect, it } from 'vitest'
import type { Authorization } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { slicesOf } from './slices.ts'

const some = (count: number): Authorization[] =>
  Array.from({ length: count }, (_, n) => ({ address: `10.0.0.${n}` as ClientAddress, reason: 'login', users: [] }))

async function sizesOf(slices: Authorization[][], signal = new AbortController().signal): Promise<number[]> {
  const sizes: number[] = []
  for await (const slice of slicesOf(slices, signal)) sizes.push(slice.length)
  return sizes
}

it('puts small slices together, and leaves empty ones out', async () => {
  expect(await sizesOf([])).toEqual([])
  expect(await sizesOf([[], []])).toEqual([])
  expect(await sizesOf([some(100), [], some(399), some(100), some(7)])).toEqual([599, 7])
})

it('ends with what it was given up for', async () => {
  await expect(sizesOf([some(600), some(600)], AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up')
})
