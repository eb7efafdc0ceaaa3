/** What the end of a source's logins does to a real table, and what it leaves alone. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START = Date.parse('2026-11-22T16:20:05Z')
const WINDOW = 30 * 60_000
const [HERE, THERE] = ['198.51.100.7', '198.51.100.8'].map(parseClientAddress) as [ClientAddress, ClientAddress]
const policy: AdmissionPolicy = {
  windowMs: WINDOW,
  addressesPerUser: 1,
  usersPerAddress: 2,
  maxAddresses: 1000,
  ipv6Prefix: 64,
  never: new NetworkSet([]),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}

let directory: string
let clock: ManualClock
let table: AuthorizationTable

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-ended-'))
  clock = new ManualClock(START)
  table = await AuthorizationTable.open({ directory, clock, policy })
})
afterEach(async () => {
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

/** One login a second later than the one before. */
async function login(user: string, server: string, address = HERE) {
  clock.advance(1000)
  const one = { user, address, server, service: 'any', atMs: clock.now() } as const
  return (await table.commit({ logins: [one] })).changes
}
const end = async (address = HERE) =>
  (await table.commit({ logins: [], ended: [{ address, server: 'whoson', atMs: clock.now() }] })).changes
const users = (address = HERE) => table.usersOf(address).map(({ user }) => user)

describe('a LOGOUT', () => {
  it('closes the address, is told once, and leaves other addresses alone', async () => {
    await login('alice', 'whoson')
    await login('bob', 'whoson', THERE)
    expect(await end()).toEqual([{ kind: 'ended', address: HERE, atMs: clock.now(), reason: 'logged_out' }])
    expect(table.lookup(HERE)).toMatchObject({ authorized: false, reason: 'unknown' })
    expect(table.lookup(THERE).authorized).toBe(true)
    expect(await end()).toEqual([])
    expect(table.nextExpiryMs()).toBe(START + 2000 + WINDOW)
  })

  it('ends the logins of all users that the source told of, and none that a log told of', async () => {
    await login('carol', 'dovecot')
    await login('alice', 'whoson')
    expect(await end()).toMatchObject([{ kind: 'extended', untilMs: START + 1000 + WINDOW }])
    expect(users()).toEqual(['carol'])
    expect(table.lookup(HERE)).toMatchObject({ authorized: true, user: 'carol' })
  })

  it('leaves a login of the same user that a log told of later', async () => {
    await login('alice', 'whoson')
    await login('alice', 'dovecot')
    expect(await end()).toEqual([])
    expect(table.lookup(HERE).authorized).toBe(true)
  })

  it('takes the earlier login of a log with the later one of the same user: the table keeps one', async () => {
    await login('alice', 'dovecot')
    await login('alice', 'whoson')
    await end()
    expect(table.lookup(HERE).authorized).toBe(false)
  })

  it('gives the user room for another address, and takes nothing from the next login', async () => {
    await login('alice', 'whoson')
    await end()
    expect(await login('alice', 'whoson', THERE)).toMatchObject([{ kind: 'granted', address: THERE }])
    await end(THERE)
    expect(await login('alice', 'whoson')).toMatchObject([{ kind: 'granted', address: HERE, user: 'alice' }])
  })

  it('does not open an address that has more users than it may', async () => {
    for (const user of ['a', 'b', 'c', 'd']) await login(user, user === 'a' ? 'dovecot' : 'whoson')
    expect(table.lookup(HERE).reason).toBe('too_many_users')
    await end()
    expect(table.lookup(HERE).reason).toBe('too_many_users')
  })

  it('leaves what the operator opened and closed as it is', async () => {
    await login('alice', 'whoson')
    await table.applyDecision({ kind: 'allow', address: HERE, atMs: clock.now(), untilMs: clock.now() + 1000 })
    await end()
    expect(table.lookup(HERE)).toMatchObject({ authorized: true, reason: 'allowed' })
  })

  it('is about the whole IPv6 network that a login opens', async () => {
    const [one, other] = ['2001:db8::1', '2001:db8::2'].map(parseClientAddress) as [ClientAddress, ClientAddress]
    await login('alice', 'whoson', one)
    expect(table.lookup(other).authorized).toBe(true)
    await end(other)
    expect(table.lookup(one).authorized).toBe(false)
  })

  it('stays after a restart', async () => {
    await login('alice', 'whoson')
    await end()
    await table[Symbol.asyncDispose]()
    table = await AuthorizationTable.open({ directory, clock, policy })
    expect(table.lookup(HERE).authorized).toBe(false)
    expect([...table.authorizations()]).toEqual([])
  })

  it('ends what is still on its way to the disk', async () => {
    clock.advance(1000)
    const one = { user: 'alice', address: HERE, server: 'whoson', service: 'any', atMs: clock.now() } as const
    const committing = table.commit({ logins: [one] })
    const [ended] = await Promise.all([end(), committing])
    expect(ended).toMatchObject([{ kind: 'ended', address: HERE }])
    expect(table.lookup(HERE).authorized).toBe(false)
  })
})
