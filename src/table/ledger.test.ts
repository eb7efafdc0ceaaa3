import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { parseClientAddress } from '../core/client-address.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START_MS = Date.UTC(2026, 2, 1, 12)
const WINDOW_MS = 1_800_000
const address = parseClientAddress('192.0.2.1') as ClientAddress

describe('the reason told of an end', () => {
  let directory: string
  let table: AuthorizationTable
  const clock = new ManualClock(START_MS)

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-ledger-'))
    const none = new NetworkSet([])
    const limits = { addressesPerUser: 3, usersPerAddress: 2, maxAddresses: 1000, ipv6Prefix: 128 }
    const policy = { windowMs: WINDOW_MS, ...limits, never: none, always: none, staticVeto: () => undefined }
    table = await AuthorizationTable.open({ directory, clock, policy })
    clock.set(START_MS)
    await table.commit({ logins: [{ user: 'bob', address, service: 'pop3', server: 'test', atMs: START_MS }] })
  })
  afterEach(async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  it('is expired when the time is over, although the login is gone by then', async () => {
    clock.set(START_MS + WINDOW_MS)
    expect(await table.sweep()).toMatchObject([{ kind: 'ended', address, reason: 'expired' }])
    expect(table.record(address)).toBeUndefined()
  })

  it('is revoked after a revoke', async () => {
    const { changes } = await table.applyDecision({ kind: 'revoke', address, atMs: START_MS })
    expect(changes).toMatchObject([{ kind: 'ended', address, reason: 'revoked' }])
  })

  it('is revoked after a flush', async () => {
    expect((await table.flush()).changes).toMatchObject([{ kind: 'ended', address, reason: 'revoked' }])
  })

  it('is expired where a flush finds the time over that no sweep has told yet', async () => {
    clock.set(START_MS + WINDOW_MS)
    expect((await table.flush()).changes).toMatchObject([{ kind: 'ended', address, reason: 'expired' }])
  })
})
