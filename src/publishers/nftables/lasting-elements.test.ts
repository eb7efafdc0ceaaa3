import { expect, it } from 'vitest'
import type { ClientAddress } from '../../core/client-address.ts'
import { LastingElements } from './lasting-elements.ts'

const NOW_MS = 1_700_000_000_000
const MINUTE_MS = 60_000
const element = (last: number, leftMs: number, set = 'a') => ({
  set,
  address: `192.0.2.${last}` as ClientAddress,
  untilMs: NOW_MS + leftMs,
})

it('names an element of each set that lasts', () => {
  const lasting = new LastingElements()
  lasting.note(element(1, 5000))
  lasting.note(element(2, MINUTE_MS))
  lasting.note(element(3, MINUTE_MS, 'b'))
  lasting.note({ set: 'c', address: '192.0.2.4' as ClientAddress, untilMs: undefined })
  expect(lasting.present(NOW_MS)).toEqual([
    { set: 'a', address: '192.0.2.2' },
    { set: 'b', address: '192.0.2.3' },
    { set: 'c', address: '192.0.2.4' },
  ])
  expect(lasting.present(NOW_MS + MINUTE_MS)).toEqual([{ set: 'c', address: '192.0.2.4' }])
})

it('names none that was taken out, and none after it was cleared', () => {
  const lasting = new LastingElements()
  lasting.note(element(1, MINUTE_MS))
  lasting.drop(element(1, 0))
  expect(lasting.present(NOW_MS)).toEqual([])
  lasting.note(element(2, MINUTE_MS))
  lasting.clear()
  expect(lasting.present(NOW_MS)).toEqual([])
})

it('keeps the latest ends of many', () => {
  const lasting = new LastingElements()
  for (let last = 1; last <= 200; last++) lasting.note(element(last, last * MINUTE_MS))
  expect(lasting.present(NOW_MS + 199 * MINUTE_MS)).toEqual([{ set: 'a', address: '192.0.2.200' }])
  expect(lasting.isSpent(NOW_MS)).toBe(false)
})

it('takes a moved end for the element that it has', () => {
  const lasting = new LastingElements()
  for (let last = 1; last <= 16; last++) lasting.note(element(last, MINUTE_MS))
  lasting.note(element(1, 2 * MINUTE_MS))
  expect(lasting.present(NOW_MS + MINUTE_MS)).toEqual([{ set: 'a', address: '192.0.2.1' }])
  expect(lasting.isSpent(NOW_MS + 2 * MINUTE_MS)).toBe(false)
})

it('is spent where there were more than it knows and none of those lasts', () => {
  const lasting = new LastingElements()
  for (let last = 1; last <= 17; last++) lasting.note(element(last, MINUTE_MS))
  expect(lasting.isSpent(NOW_MS)).toBe(false)
  expect(lasting.isSpent(NOW_MS + MINUTE_MS)).toBe(true)
})
