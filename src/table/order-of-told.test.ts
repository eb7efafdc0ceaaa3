/** What a pass over the table tells at its end must not come after what others told of the same address since. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'
import type { FlushOutcome } from './results.ts'
import { TableStore } from './store.ts'

const START = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const none = new NetworkSet([])
const policy: AdmissionPolicy = {
  windowMs: 30 * MINUTE,
  addressesPerUser: 3,
  usersPerAddress: 3,
  maxAddresses: 100,
  ipv6Prefix: 128,
  never: none,
  always: none,
  staticVeto: () => undefined,
}
const address = '192.0.2.7' as ClientAddress
const login = (atMs: number): Login => ({ user: 'alice', address, service: 'imap', server: 'test', atMs })

let directory: string
let clock: ManualClock
let table: AuthorizationTable
/** All that was told, in its order. */
let told: TableChange[]
const tell = (changes: readonly TableChange[]) => void told.push(...changes)

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-told-'))
  clock = new ManualClock(START)
  table = await AuthorizationTable.open({ directory, clock, policy })
  told = []
  tell((await table.commit({ logins: [login(START)] })).changes)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

/** Runs a pass under `fresh`, and `other` as soon as the pass has written its first piece. */
async function passWith(fresh: AdmissionPolicy, other: () => Promise<void>): Promise<void> {
  const real = TableStore.prototype.write
  let meanwhile: Promise<void> | undefined
  vi.spyOn(TableStore.prototype, 'write').mockImplementation(async function (this: TableStore, writes) {
    await real.call(this, writes)
    meanwhile ??= other()
  })
  tell(await table.reconfigure(fresh))
  await meanwhile
}

/** What a map holds that follows each change as it is told. */
function mapOf(changes: readonly TableChange[]): ClientAddress[] {
  const open = new Set<ClientAddress>()
  for (const { kind, address } of changes) {
    if (kind === 'ended') open.delete(address)
    else if (kind === 'granted') open.add(address)
  }
  return [...open]
}

const allOf = ({ earlier, changes }: Pick<FlushOutcome, 'earlier' | 'changes'>) => [...earlier, ...changes]
const openNow = () => [...table.authorizations()].map((one) => one.address)

it('a login during a pass that closes its address is told last', async () => {
  clock.set(START + 10 * MINUTE)
  await passWith({ ...policy, windowMs: 5 * MINUTE }, async () =>
    tell((await table.commit({ logins: [login(clock.now())] })).changes),
  )
  expect(openNow()).toEqual([address])
  expect(mapOf(told)).toEqual([address])
})

it.each([
  ['a block', async () => allOf(await table.applyDecision({ kind: 'block', address, atMs: clock.now() }))],
  ['a flush', async () => allOf(await table.flush())],
  [
    'a sweep',
    async () => {
      clock.set(START + 30 * MINUTE)
      return await table.sweep()
    },
  ],
])('%s during a pass that opens the address is told last', async (_what, close) => {
  const closed = { ...policy, staticVeto: () => 'Connect:192.0.2 REJECT' }
  tell(await table.reconfigure(closed))
  expect(mapOf(told)).toEqual([])
  await passWith(policy, async () => tell(await close()))
  expect(openNow()).toEqual([])
  expect(mapOf(told)).toEqual([])
})
