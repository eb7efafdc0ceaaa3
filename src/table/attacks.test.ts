/** Attacks on the limits and on what an operator decided. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const ip = (text: string) => parseClientAddress(text) as ClientAddress
const policy: AdmissionPolicy = {
  windowMs: 30 * MINUTE,
  addressesPerUser: 3,
  usersPerAddress: 4,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: NetworkSet.of([parseNetwork('2001:db8:0:7::1') ?? expect.fail()], 'gateway'),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}

let directory: string
let clock: ManualClock
let table: AuthorizationTable

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-attacks-'))
  clock = new ManualClock(START)
  await reopen()
})
afterEach(async () => {
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

async function reopen(changes: Partial<AdmissionPolicy> = {}): Promise<void> {
  table = await AuthorizationTable.open({ directory, clock, policy: { ...policy, ...changes } })
}

async function logIn(user: string, address: string, atMs = clock.now()): Promise<void> {
  const login: Login = { user, address: ip(address), service: 'pop3', server: 'uw-imap', atMs }
  await table.commit({ logins: [login] })
}

const mayRelay = (address: string) => table.lookup(ip(address)).authorized
/** Spellings that a UW server lets in as the same account. */
const spellings = (name: string) =>
  Array.from({ length: 2 ** name.length }, (_, bits) =>
    Array.from(name, (letter, i) => ((bits >> i) & 1 ? letter.toUpperCase() : letter)).join(''),
  )

it('counts a user once, however he spells his name', async () => {
  for (const [i, name] of spellings('mal').entries()) await logIn(name, `192.0.2.${i + 1}`)
  expect([1, 2, 3, 4, 5, 6, 7, 8].filter((host) => mayRelay(`192.0.2.${host}`))).toHaveLength(policy.addressesPerUser)
})

it('lets one account not close the address of an office by its spellings', async () => {
  await logIn('alice', '192.0.2.1')
  for (const name of spellings('mal')) await logIn(name, '192.0.2.1')
  expect(mayRelay('192.0.2.1')).toBe(true)
  expect(table.usersOf(ip('192.0.2.1')).map(({ user }) => user)).toEqual(expect.arrayContaining(['alice', 'mal']))
})

it.each(['block', 'revoke'] as const)('ends every spelling with a %s of one', async (kind) => {
  await logIn('MAL', '192.0.2.1')
  await logIn('mal', '192.0.2.2')
  await table.applyDecision({ kind, user: 'Mal', atMs: clock.now() })
  expect([mayRelay('192.0.2.1'), mayRelay('192.0.2.2')]).toEqual([false, false])
  clock.set(START + MINUTE)
  await logIn('mAl', '192.0.2.1')
  expect(mayRelay('192.0.2.1')).toBe(kind === 'revoke')
})

it('gives a revoked login back neither by lines read again, nor ahead of the clock, nor after a restart', async () => {
  await logIn('mal', '192.0.2.1', START + 4 * MINUTE)
  await table.applyDecision({ kind: 'revoke', address: ip('192.0.2.1'), atMs: START })
  for (const atMs of [START - MINUTE, START, START + 4 * MINUTE]) await logIn('mal', '192.0.2.1', atMs)
  expect(mayRelay('192.0.2.1')).toBe(false)
  await table[Symbol.asyncDispose]()
  await reopen()
  await logIn('mal', '192.0.2.1', START + 4 * MINUTE)
  clock.set(START + 10 * MINUTE)
  expect(mayRelay('192.0.2.1')).toBe(false)
})

it('grants nothing by a line far ahead of the clock, not even when its time comes', async () => {
  await logIn('mal', '192.0.2.1', START + 6 * MINUTE)
  clock.set(START + 7 * MINUTE)
  expect(mayRelay('192.0.2.1')).toBe(false)
})

it('opens the address of the gateway in no form, nor by a neighbor in its network', async () => {
  await table[Symbol.asyncDispose]()
  await reopen({ ipv6Prefix: 64 })
  await logIn('mal', '2001:0db8:0000:0007::0001')
  expect(await authorizationsOf(table)).toEqual([])
  await logIn('mal', '2001:db8:0:7::2')
  expect(mayRelay('2001:db8:0:7::1')).toBe(false)
  expect(await authorizationsOf(table)).toEqual([])
})

it('keeps IPv4 in IPv6 and its look-alikes apart', async () => {
  await logIn('mal', '::ffff:192.0.2.1')
  expect(['192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:c000:0201'].map(mayRelay)).toEqual([true, true, true])
  expect(['::192.0.2.1', '64:ff9b::c000:201', '::ffff:0:192.0.2.1', '2002:c000:201::'].map(mayRelay)).toEqual([
    false,
    false,
    false,
    false,
  ])
})
