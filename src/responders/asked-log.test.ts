import { expect, it } from 'vitest'
import type { ClientAddress } from '../core/client-address.ts'
import { AskedLog } from './asked-log.ts'

const address = (n: number) => `192.0.2.${n}` as ClientAddress

it('counts the questions for an address and keeps the time of the last', () => {
  const log = new AskedLog()
  for (const atMs of [5, 7, 9]) log.note(address(1), atMs)
  expect(log.of(address(1))).toEqual({ times: 3, lastMs: 9 })
  expect(log.of(address(2))).toBeUndefined()
})

it('forgets what was asked for longest ago where there is no room', () => {
  const log = new AskedLog(2)
  log.note(address(1), 1)
  log.note(address(2), 2)
  log.note(address(1), 3)
  log.note(address(3), 4)
  expect(log.of(address(2))).toBeUndefined()
  expect(log.of(address(1))).toEqual({ times: 2, lastMs: 3 })
  expect(log.of(address(3))).toEqual({ times: 1, lastMs: 4 })
})
