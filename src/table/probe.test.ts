import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { addressFromBytes } from '../core/client-address.ts'
import { TableError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'
import { probeTable } from './probe.ts'

const START = Date.UTC(2026, 2, 1, 12)
const policy: AdmissionPolicy = {
  windowMs: 1_800_000,
  addressesPerUser: 10,
  usersPerAddress: 20,
  maxAddresses: 100_000,
  ipv6Prefix: 128,
  never: new NetworkSet([]),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}
let directory: string
let path: string
let sound: Buffer

const open = () => AuthorizationTable.open({ directory, clock: new ManualClock(START), policy })

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-probe-'))
  path = join(directory, 'table.mdb')
  const table = await open()
  for (let round = 0; round < 5; round++) {
    const logins = Array.from({ length: 300 }, (_, n) => {
      const address = addressFromBytes(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, round, n >> 8, n]))
      return { user: `user${round}-${n}`, address, service: 'pop3', server: 'test', atMs: START } as const
    })
    // A long value makes overflow pages.
    await table.commit({ logins, position: { sourceId: 's', value: { text: 'x'.repeat(9000), round } } })
  }
  await table[Symbol.asyncDispose]()
  sound = readFileSync(path).subarray(0, probeTable(path))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

it('takes a sound table, and tells that there is none', () => {
  expect(probeTable(path)).toBeGreaterThan(100_000)
  expect(probeTable(`${path}.none`)).toBeUndefined()
})

it('refuses a table of which more than unused pages is cut off, at any length', () => {
  const copy = join(directory, 'cut')
  let refused = 0
  for (let bytes = 0; bytes < sound.length; bytes += 4096 * 3 + 1) {
    writeFileSync(copy, sound.subarray(0, bytes))
    try {
      probeTable(copy)
    } catch (error) {
      expect(error).toBeInstanceOf(TableError)
      expect((error as TableError).mend).toContain('popauthd rebuild')
      refused++
    }
  }
  expect(refused).toBeGreaterThan(10)
})

it.each([
  ['nothing', Buffer.alloc(0), 'it is empty'],
  ['text', Buffer.from('127.0.0.1 RELAY\n'.repeat(1000)), 'it is no table'],
  ['zeros', Buffer.alloc(65_536), 'it is no table'],
  ['a few bytes', Buffer.from('x'), 'its end is missing'],
])('the daemon refuses a table of %s with the mend', async (_, bytes, why) => {
  writeFileSync(path, bytes)
  const error = await open().catch((e: unknown) => e)
  expect(error).toBeInstanceOf(TableError)
  expect((error as TableError).message).toBe(
    `cannot use the table ${path}: ${why}${why === 'it is no table' ? ' of popauthd' : ''}`,
  )
  expect((error as TableError).mend).toContain('popauthd rebuild')
  writeFileSync(path, sound)
  const table = await open()
  expect(table.stats().addresses).toBe(1500)
  await table[Symbol.asyncDispose]()
})

it('the daemon refuses a truncated table, and a directory in its place', async () => {
  truncateSync(path, Math.floor(sound.length / 2 / 4096) * 4096)
  await expect(open()).rejects.toThrow('its end is missing')
  rmSync(path)
  mkdirSync(path)
  await expect(open()).rejects.toThrow(/cannot (use|read) the table/)
  rmSync(path, { recursive: true })
  writeFileSync(path, sound)
})

it('never throws anything but TableError, and ends, whatever the bytes are', () => {
  const copy = join(directory, 'flipped')
  const flips = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(flips, (changes) => {
      const bytes = Buffer.from(sound)
      for (const [at, value] of changes) bytes[at] = value
      writeFileSync(copy, bytes)
      try {
        return (probeTable(copy) ?? 0) > 0
      } catch (error) {
        return error instanceof TableError
      }
    }),
    { numRuns: 60 },
  )
})
