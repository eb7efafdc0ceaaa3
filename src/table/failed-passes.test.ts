/** What is told where the table cannot be written, or read, in the midst of going over all of it. */
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import {
  basePolicy,
  clock,
  directory,
  nets,
  openAgain,
  reopen,
  START,
  table,
  WINDOW,
} from '../../test/support/table-of-test.ts'
import { addressFromBytes, addressToBytes } from '../core/client-address.ts'
import { TableError } from '../errors.ts'
import { TableStore } from './store.ts'

const policy = { ...basePolicy, maxAddresses: 10_000, always: nets(), staticVeto: () => undefined }
const address = (n: number) =>
  addressFromBytes(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, n >> 8, n & 255]))

async function fill(count: number): Promise<void> {
  const logins = Array.from({ length: count }, (_, n) => {
    return { user: `user${n}`, address: address(n), service: 'imap', server: 'test', atMs: START } as const
  })
  await table.commit({ logins })
}

beforeEach(() => reopen(policy))

afterEach(() => {
  vi.restoreAllMocks()
})

it('tells every change once where a pass over the table fails in its middle and is tried again', async () => {
  await fill(1_200)
  const real = TableStore.prototype.write
  let writes = 0
  vi.spyOn(TableStore.prototype, 'write').mockImplementation(async function (this: TableStore, written) {
    if (++writes === 2) throw new TableError('no space left')
    await real.call(this, written)
  })
  const closed = { ...policy, staticVeto: () => 'Connect:10 REJECT' }
  await expect(table.reconfigure(closed)).rejects.toThrow('no space left')
  expect(table.nextExpiryMs()).toBeLessThanOrEqual(clock.now())
  const told = (await table.sweep()).filter(({ kind }) => kind === 'ended').map(({ address }) => address)
  expect(new Set(told).size).toBe(1_200)
  expect(told).toHaveLength(1_200)
})

/** Puts what is no record in the place of those of addresses. */
async function damage(...numbers: readonly number[]): Promise<void> {
  await table[Symbol.asyncDispose]()
  const root = open({ path: join(directory, 'table.mdb'), noSubdir: true, maxDbs: 8 })
  const records = root.openDB<unknown, Buffer>({ name: 'addresses', keyEncoding: 'binary', encoding: 'msgpack' })
  for (const n of numbers) await records.put(addressToBytes(address(n)), 'no record')
  await root.close()
  await openAgain(policy)
}

it('goes on past a damaged record: it opens nothing, keeps nobody open, and a login makes it anew', async () => {
  await fill(10)
  await damage(0, 1, 2)
  expect(table.lookup(address(1))).toMatchObject({ authorized: false })
  expect((await authorizationsOf(table)).map((one) => one.address)).toEqual([3, 4, 5, 6, 7, 8, 9].map(address))
  const login = { user: 'new', address: address(1), service: 'imap', server: 'test', atMs: START + 1 } as const
  clock.advance(1_000)
  expect((await table.commit({ logins: [login] })).changes).toMatchObject([{ kind: 'granted', address: address(1) }])
  clock.set(START + WINDOW)
  const told = await table.sweep()
  expect(told.filter(({ kind }) => kind === 'ended').map((change) => change.address)).toEqual(
    [3, 4, 5, 6, 7, 8, 9].map(address),
  )
  expect(table.nextExpiryMs()).toBe(START + 1 + WINDOW)
})

it('lets the word of the operator stand where a record is damaged', async () => {
  await fill(3)
  await table.applyDecision({ kind: 'allow', address: address(1), atMs: clock.now(), untilMs: clock.now() + WINDOW })
  await damage(0, 1)
  expect(table.lookup(address(1))).toMatchObject({ authorized: true, reason: 'allowed' })
  expect(new Set((await authorizationsOf(table)).map((one) => one.address))).toEqual(new Set([1, 2].map(address)))
  const closed = { ...policy, staticVeto: (one: string) => (one === address(2) ? 'Connect:10 REJECT' : undefined) }
  expect(await table.reconfigure(closed)).toMatchObject([{ kind: 'ended', address: address(2) }])
})
