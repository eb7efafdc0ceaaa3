import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import { addressToBytes, type ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'
import { TableStore } from './store.ts'

const START = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const WINDOW = 30 * MINUTE
const IP = '198.51.100.7' as ClientAddress
const none = new NetworkSet([])
const policy = {
  windowMs: WINDOW,
  addressesPerUser: 3,
  usersPerAddress: 3,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: none,
  always: none,
  staticVeto: () => undefined,
}

let directory: string
let clock: ManualClock
let table: AuthorizationTable

const open = async () => {
  table = await AuthorizationTable.open({ directory, clock, policy })
}
const login = (user: string, minute: number): Login => ({
  user,
  address: IP,
  service: 'imap',
  server: 'test',
  atMs: START + minute * MINUTE,
})

/** Entries of the index as they lie in the file, in minutes since the start. */
async function indexed(): Promise<number[]> {
  await table[Symbol.asyncDispose]()
  const store = TableStore.open(directory, true)
  const entries = store.oldest(100).filter(({ key }) => key.equals(addressToBytes(IP)))
  await store[Symbol.asyncDispose]()
  await open()
  return entries.map(({ atMs }) => (atMs - START) / MINUTE)
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-index-'))
  clock = new ManualClock(START)
  await open()
})

afterEach(async () => {
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

describe('the expiry index', () => {
  it('keeps one entry of a client that logs in again and again, and moves it when its time comes', async () => {
    for (let minute = 0; minute < 30; minute += 5) {
      clock.set(START + minute * MINUTE)
      await table.commit({ logins: [login('alice', minute)] })
    }
    expect(await indexed()).toEqual([0])
    clock.set(START + WINDOW)
    expect(table.nextExpiryMs()).toBe(START + WINDOW)
    expect(await table.sweep()).toEqual([])
    expect(table.lookup(IP)).toMatchObject({ authorized: true, untilMs: START + 25 * MINUTE + WINDOW })
    expect(await indexed()).toEqual([25])
    clock.set(START + 25 * MINUTE + WINDOW)
    expect(await table.sweep()).toMatchObject([{ kind: 'ended', address: IP }])
    expect(await indexed()).toEqual([])
    expect(table.nextExpiryMs()).toBeUndefined()
  })

  it('ends each user of an address in time, whichever logged in first', async () => {
    clock.set(START + 10 * MINUTE)
    await table.commit({ logins: [login('alice', 10)] })
    await table.commit({ logins: [login('bob', 5)] })
    expect(await indexed()).toEqual([5])
    clock.set(START + 12 * MINUTE)
    await table.commit({ logins: [login('bob', 12)] })
    clock.set(START + 5 * MINUTE + WINDOW)
    expect(await table.sweep()).toEqual([])
    expect(await indexed()).toEqual([10])
    clock.set(START + 10 * MINUTE + WINDOW)
    await table.sweep()
    expect(table.usersOf(IP).map(({ user }) => user)).toEqual(['bob'])
    expect(table.addressesOf('alice')).toEqual([])
    expect(await indexed()).toEqual([12])
  })
})
