/** The list of who may relay, as maps are made of it: whole, while others write, and in short turns. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { type ClientAddress, type Network, parseNetwork } from '../core/client-address.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START = Date.UTC(2026, 2, 1, 12)
const nets = (...texts: string[]) =>
  NetworkSet.of(
    texts.map((text) => parseNetwork(text) as Network),
    'test',
  )
const policy: AdmissionPolicy = {
  windowMs: 1_800_000,
  addressesPerUser: 3,
  usersPerAddress: 3,
  maxAddresses: 10_000,
  ipv6Prefix: 128,
  never: nets(),
  always: nets(),
  staticVeto: () => undefined,
}
const ip = (text: string) => text as ClientAddress
const numbered = (n: number) => `10.0.${n >> 8}.${n & 255}`

let directory: string
let clock: ManualClock
let table: AuthorizationTable

async function reopen(more: Partial<AdmissionPolicy>): Promise<void> {
  await table?.[Symbol.asyncDispose]()
  table = await AuthorizationTable.open({ directory, clock, policy: { ...policy, ...more } })
}

function logIn(...addresses: string[]) {
  return table.commit({
    logins: addresses.map((address) => {
      return {
        user: `at ${address}`,
        address: ip(address),
        service: 'imap',
        server: 'test',
        atMs: clock.now(),
      } as const
    }),
  })
}

const listed = async () => (await authorizationsOf(table)).map(({ address, reason }) => `${address} ${reason}`)

/** How many turns of the event loop others had while `work` was done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let next: NodeJS.Immediate
  const tick = () => {
    turns++
    next = setImmediate(tick)
  }
  next = setImmediate(tick)
  await work()
  clearImmediate(next)
  return turns
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-list-'))
  clock = new ManualClock(START)
  await reopen({})
})

afterEach(async () => {
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

it('others have their turns while records are read that authorize nobody', async () => {
  await logIn(...Array.from({ length: 1_500 }, (_, n) => numbered(n)))
  clock.advance(policy.windowMs)
  expect(await turnsDuring(async () => expect(await listed()).toEqual([]))).toBeGreaterThanOrEqual(7)
})

it('others have their turns where thousands may relay without a login', async () => {
  await reopen({ always: nets(...Array.from({ length: 1_500 }, (_, n) => numbered(n))) })
  expect(await turnsDuring(async () => expect(await listed()).toHaveLength(1_500))).toBeGreaterThanOrEqual(7)
})

it('an allowed address is met once, whatever becomes of its logins meanwhile', async () => {
  await logIn(...Array.from({ length: 300 }, (_, n) => numbered(n)), '10.9.9.9')
  for (const address of ['9.9.9.9', '10.9.9.9'])
    await table.applyDecision({ kind: 'allow', atMs: START, address: ip(address) })
  const pass = table.authorizations()
  const first = await pass.next()
  await table.flush()
  clock.advance(1_000)
  await logIn('9.9.9.9')
  const found = first.done ? [] : first.value.map(({ address }) => address)
  for await (const slice of pass) found.push(...slice.map(({ address }) => address))
  expect(found.filter((address) => address.includes('9.9.9'))).toEqual(['9.9.9.9', '10.9.9.9'])
})

it('an IPv6 address that always may relay opens no network around it', async () => {
  await reopen({ ipv6Prefix: 64, always: nets('2001:db8:0:1::5', '2001:db8:0:2::', '192.0.2.7') })
  expect(await listed()).toEqual(['192.0.2.7 always'])
  expect(table.lookup(ip('2001:db8:0:2::')).reason).toBe('always')
  expect(table.lookup(ip('2001:db8:0:2::9')).authorized).toBe(false)
  const { changes } = await logIn('2001:db8:0:2::9')
  expect(changes).toMatchObject([{ kind: 'granted', address: '2001:db8:0:2::', reason: 'login' }])
  clock.advance(policy.windowMs)
  expect(await table.sweep()).toMatchObject([{ kind: 'ended', address: '2001:db8:0:2::' }])
  expect(await listed()).toEqual(['192.0.2.7 always'])
})

it('a network that always may relay stands for the logins in it, where it holds all that they open', async () => {
  await reopen({ ipv6Prefix: 64, always: nets('2001:db8:1::/48', '2001:db8:1::', '2001:db8:2::/96') })
  await logIn('2001:db8:1::1', '2001:db8:2::1')
  expect(await listed()).toEqual(['2001:db8:2:: login'])
})
