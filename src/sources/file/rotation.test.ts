/** Names that rotation makes, and their order. */
import { describe, expect, it } from 'vitest'
import { compareGenerations, type Generation, rotationOrder } from './rotation.ts'

describe('rotationOrder', () => {
  it.each([
    ['mail.log.1', 1],
    ['mail.log.0', 0],
    ['mail.log.12.gz', 12],
    ['mail.log-20260102', '20260102'],
    ['mail.log-20260102.gz', '20260102'],
    ['mail.log.2026-01-02T03:04', '2026-01-02T03:04'],
    ['mail.1.log', 1],
    ['mail-20260102.log.xz', '20260102'],
  ])('%s is a rotated mail.log', (name, order) => {
    expect(rotationOrder(name, 'mail.log')).toBe(order)
  })

  it.each([
    'mail.log',
    'mail.log.gz',
    'mail.log.bak',
    'mail.log2',
    'mail.log.1~',
    'mail.logger.1',
    'mail.err.1',
    'xmail.log.1',
  ])('%s is not', (name) => {
    expect(rotationOrder(name, 'mail.log')).toBeUndefined()
  })
})

it('puts the oldest first', () => {
  const generation = (order: number | string, mtimeMs = 0): Generation => ({
    path: String(order),
    dev: '1',
    ino: '1',
    size: 0,
    mtimeMs,
    order,
  })
  const sorted = (...all: Generation[]) => all.sort(compareGenerations).map((one) => one.order)
  expect(sorted(generation(0), generation(10), generation(2))).toEqual([10, 2, 0])
  expect(sorted(generation('20260102'), generation('20251231'))).toEqual(['20251231', '20260102'])
  expect(sorted(generation('20260102', 9), generation(1, 5))).toEqual([1, '20260102'])
})
