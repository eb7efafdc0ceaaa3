/** What a pass over the table tells at its end must not come after what others told of the same address since. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import {
  basePolicy,
  clock,
  login as loginOf,
  MINUTE,
  nets,
  reopen,
  START,
  table,
} from '../../test/support/table-of-test.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { FlushOutcome } from './results.ts'
import { TableStore } from './store.ts'

const policy = { ...basePolicy, always: nets(), staticVeto: () => undefined }
const address = '192.0.2.7' as ClientAddress
const login = (atMs: number) => loginOf('alice', address, atMs)

/** All that was told, in its order. */
let told: TableChange[]
const tell = (changes: readonly TableChange[]) => void told.push(...changes)

beforeEach(async () => {
  await reopen(policy)
  told = []
  tell((await table.commit({ logins: [login(START)] })).changes)
})

afterEach(() => {
  vi.restoreAllMocks()
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
const openNow = async () => (await authorizationsOf(table)).map((one) => one.address)

it('a login during a pass that closes its address is told last', async () => {
  clock.set(START + 10 * MINUTE)
  await passWith({ ...policy, windowMs: 5 * MINUTE }, async () =>
    tell((await table.commit({ logins: [login(clock.now())] })).changes),
  )
  expect(await openNow()).toEqual([address])
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
  expect(await openNow()).toEqual([])
  expect(mapOf(told)).toEqual([])
})
