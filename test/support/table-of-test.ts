// A table of its own for each test, on a clock that the test sets. Importing this sets it up.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { NetworkSet } from '../../src/admission/network-set.ts'
import type { AdmissionPolicy } from '../../src/admission/policy.ts'
import type { TableChange } from '../../src/core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../src/core/client-address.ts'
import type { Login } from '../../src/core/login.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { AuthorizationTable } from '../../src/table/authorization-table.ts'

/** What the clock shows at first. */
export const START = Date.UTC(2026, 2, 1, 12)
export const MINUTE = 60_000
export const WINDOW = 30 * MINUTE
/** A set of networks. */
export const nets = (...texts: string[]) =>
  NetworkSet.of(
    texts.map((text) => parseNetwork(text) as NonNullable<ReturnType<typeof parseNetwork>>),
    'test',
  )
/** The policy unless a test has its own. */
export const basePolicy: AdmissionPolicy = {
  windowMs: WINDOW,
  addressesPerUser: 3,
  usersPerAddress: 2,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: nets('127.0.0.0/8'),
  always: nets('203.0.113.0/24', '198.51.100.200'),
  staticVeto: (address) => (address.startsWith('192.0.66.') ? 'Connect:192.0.66 REJECT' : undefined),
}
export const ip = (text: string) => parseClientAddress(text) as ClientAddress
/** A POP3 login. */
export const login = (user: string, address: string, atMs: number): Login => ({
  user,
  address: ip(address),
  service: 'pop3',
  server: 'test',
  atMs,
})
/** `granted 192.0.2.1`, sorted. */
export const kinds = (changes: readonly TableChange[]) =>
  changes.map(({ kind, address }) => `${kind} ${address}`).sort()

/** State directory, clock and table of this test. */
export let directory: string
export let clock: ManualClock
export let table: AuthorizationTable
/** Tables that are closed at the end of the test. */
export const opened: AuthorizationTable[] = []

/** One more table over the same directory; closed at the end of the test. */
export async function openTable(policy: AdmissionPolicy = basePolicy): Promise<AuthorizationTable> {
  const one = await AuthorizationTable.open({ directory, clock, policy })
  opened.push(one)
  return one
}

/** Opens it again after it was closed. */
export async function openAgain(policy: AdmissionPolicy = basePolicy): Promise<void> {
  table = await openTable(policy)
}

/** Closes it and opens it again, as a restart does. */
export async function reopen(policy: AdmissionPolicy = basePolicy): Promise<void> {
  await table[Symbol.asyncDispose]()
  await openAgain(policy)
}

/** The table is in another directory when it is opened next. */
export function useDirectory(path: string): void {
  directory = path
}

/** Sweeps until nothing is due, and gives all that changed. */
export async function sweepAll(): Promise<TableChange[]> {
  const changes: TableChange[] = []
  while ((table.nextExpiryMs() ?? Infinity) <= clock.now()) changes.push(...(await table.sweep()))
  return changes
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-table-'))
  clock = new ManualClock(START)
  table = await openTable()
})

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]().catch(() => {})
  rmSync(directory, { recursive: true, force: true })
})
