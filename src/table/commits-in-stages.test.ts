/** Commits that are judged while an earlier one is still on its way to the disk. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { TableError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'
import { CommitChain, type CommitResult } from './results.ts'
import { TableStore } from './store.ts'

const START = Date.UTC(2026, 2, 1, 12)
const none = new NetworkSet([])
const policy = {
  windowMs: 1_800_000,
  addressesPerUser: 2,
  usersPerAddress: 2,
  maxAddresses: 6,
  ipv6Prefix: 128,
  never: none,
  always: none,
  staticVeto: () => undefined,
}
const address = (n: number) => `198.51.100.${n}` as ClientAddress
const login = (user: number, from: number, second = 0): Login => ({
  user: `user${user}`,
  address: address(from),
  service: 'imap',
  server: 'test',
  atMs: START + second * 1000,
})

let directory: string
let table: AuthorizationTable

async function open(): Promise<AuthorizationTable> {
  return AuthorizationTable.open({ directory, clock: new ManualClock(START + 600_000), policy })
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-stages-'))
  table = await open()
})

afterEach(async () => {
  vi.restoreAllMocks()
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

/** Holds writes to the file until they are let go, each to its end or with an error. */
function heldWrites() {
  const real = TableStore.prototype.write
  const held: ((error?: Error) => void)[] = []
  vi.spyOn(TableStore.prototype, 'write').mockImplementation(async function (this: TableStore, writes) {
    await new Promise<void>((resolve, reject) => {
      held.push((error) => (error === undefined ? resolve() : reject(error)))
    })
    await real.call(this, writes)
  })
  const next = async () => {
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return held.shift() as (error?: Error) => void
  }
  return { next }
}

const until = async (isThere: () => boolean) => {
  while (!isThere()) await new Promise((resolve) => setImmediate(resolve))
}
const byAddress = (a: TableChange, b: TableChange) => (a.address < b.address ? -1 : 1)
const mayRelay = (n: number) => table.lookup(address(n)).authorized

it('are seen by lookups before the one before them is on the disk, and judged on top of it', async () => {
  const writes = heldWrites()
  const first = table.commit({ logins: [login(1, 1), login(1, 2)] })
  const release = await writes.next()
  const second = table.commit({ logins: [login(1, 3), login(2, 1)] })
  await until(
    () => table.lookup(address(1)).user === 'user1' && mayRelay(2) && table.lookup(address(3)).reason !== 'unknown',
  )
  release()
  expect((await first).changes.map(({ kind }) => kind)).toEqual(['granted', 'granted'])
  ;(await writes.next())()
  expect((await second).outcomes).toMatchObject([
    { kind: 'refused', reason: 'too_many_addresses' },
    { kind: 'accepted' },
  ])
  expect((await second).changes).toEqual([])
})

it('fail with the one that they are judged on, and succeed when they are tried again', async () => {
  const writes = heldWrites()
  const first = table.commit({ logins: [login(1, 1)] })
  const release = await writes.next()
  const second = table.commit({ logins: [login(2, 1), login(2, 2)] })
  await until(() => mayRelay(2))
  release(new TableError('no space left'))
  await expect(first).rejects.toThrow('no space left')
  await expect(second).rejects.toThrow('what went before')
  const third = table.commit({ logins: [login(3, 3)] })
  ;(await writes.next())()
  expect((await third).changes).toMatchObject([{ kind: 'granted', address: address(3) }])
  expect([1, 2, 3].map(mayRelay)).toEqual([false, false, true])
  const again = table.commit({ logins: [login(1, 1)] })
  ;(await writes.next())()
  expect((await again).changes).toMatchObject([{ kind: 'granted', address: address(1) }])
  await table[Symbol.asyncDispose]()
  table = await open()
  expect([1, 2, 3].map(mayRelay)).toEqual([true, false, true])
})

it('of one chain fail behind one that failed, whenever they are judged', async () => {
  const writes = heldWrites()
  const chain = new CommitChain()
  const first = table.beginCommit({ logins: [login(1, 1)] }, chain)
  ;(await writes.next())(new TableError('no space left'))
  await expect(first.written).rejects.toThrow('no space left')
  const second = table.beginCommit({ logins: [], position: { sourceId: 'a', value: 2 } }, chain)
  await expect(second.written).rejects.toThrow('what went before')
  const other = table.beginCommit({ logins: [], position: { sourceId: 'b', value: 1 } }, new CommitChain())
  ;(await writes.next())()
  await other.written
  expect([table.position('a'), table.position('b')]).toEqual([undefined, 1])
})

it('go to the disk together where they were judged during a write', async () => {
  const writes = heldWrites()
  const all = [1, 2, 3, 4].map((n) => table.beginCommit({ logins: [login(n, n)] }))
  const release = await writes.next()
  await Promise.all(all.map(({ judged }) => judged))
  expect([1, 2, 3, 4].map(mayRelay)).toEqual([true, true, true, true])
  release()
  ;(await writes.next())()
  for (const { written } of all) expect((await written).changes).toMatchObject([{ kind: 'granted' }])
  expect(vi.mocked(TableStore.prototype.write).mock.calls.map(([list]) => list.length)).toEqual([1, 3])
})

it('end with the table that one after the other makes', async () => {
  const logins = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 9 })),
    { minLength: 1, maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(logins, { minLength: 1, maxLength: 6 }), async (commits) => {
      const seen: unknown[] = []
      for (const isWaiting of [true, false]) {
        await table[Symbol.asyncDispose]()
        rmSync(directory, { recursive: true })
        table = await open()
        const results: Promise<CommitResult>[] = []
        for (const batch of commits) {
          const result = table.commit({ logins: batch.map(([user, from, second]) => login(user, from, second)) })
          results.push(result)
          if (isWaiting) await result
        }
        // The order of the changes of one commit says nothing.
        const told = (await Promise.all(results)).map(({ outcomes, changes }) => [
          outcomes,
          [...changes].sort(byAddress),
        ])
        const facts = Array.from({ length: 8 }, (_, n) => [table.lookup(address(n + 1)), table.usersOf(address(n + 1))])
        const users = Array.from({ length: 4 }, (_, n) =>
          table
            .addressesOf(`user${n + 1}`)
            .map((one) => one.address)
            .sort(),
        )
        seen.push(JSON.parse(JSON.stringify([told, facts, users, table.stats().addresses, table.nextExpiryMs()])))
      }
      expect(seen[1]).toEqual(seen[0])
    }),
    { numRuns: 60 },
  )
}, 60_000)
