import { expect, it } from 'vitest'
import { Backoff } from './backoff.ts'

it('doubles up to its bound and starts again after a success', () => {
  const backoff = new Backoff({ firstMs: 100, mostMs: 1000, random: () => 0 })
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000])
  expect(backoff.failures).toBe(6)
  backoff.reset()
  expect(backoff.next()).toBe(100)
})

it('is shortened by at most a quarter, and stays finite after very many failures', () => {
  const backoff = new Backoff({ firstMs: 100, mostMs: 1000, random: () => 0.999 })
  expect(backoff.next()).toBe(75)
  for (let i = 0; i < 5000; i++) backoff.next()
  expect(backoff.next()).toBe(750)
})
