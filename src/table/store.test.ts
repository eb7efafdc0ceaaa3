import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import { addressFromBytes } from '../core/client-address.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START_MS = Date.UTC(2026, 2, 1, 12)
const MEBIBYTE = 1 << 20

describe("the table's file", () => {
  let directory: string
  let table: AuthorizationTable

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-store-'))
    const none = new NetworkSet([])
    const limits = { addressesPerUser: 3, usersPerAddress: 20, maxAddresses: 100_000, ipv6Prefix: 128 }
    const policy = { windowMs: 1_800_000, ...limits, never: none, always: none, staticVeto: () => undefined }
    table = await AuthorizationTable.open({ directory, clock: new ManualClock(START_MS), policy })
  })
  afterEach(async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  it('stays small when thousands of logins come in one batch', async () => {
    for (let batch = 0; batch < 4; batch++) await table.commit({ logins: logins(batch * 2000, 2000) })
    expect(table.stats()).toMatchObject({ addresses: 8000, logins: 8000 })
    const { size, blocks } = statSync(join(directory, 'table.mdb'))
    expect(Math.max(size, blocks * 512)).toBeLessThan(48 * MEBIBYTE)
  })
})

function logins(first: number, count: number) {
  return Array.from({ length: count }, (_, i) => {
    const number = first + i
    const bytes = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, number >> 16, number >> 8, number])
    const address = addressFromBytes(bytes)
    return { user: `user${number}`, address, service: 'pop3', server: 'qpopper', atMs: START_MS } as const
  })
}
