/** Tables of any size to measure on: one user a client, logins spread over the window, as after a week of service. */
import { cpSync, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NetworkSet } from '../src/admission/network-set.ts'
import type { AdmissionPolicy } from '../src/admission/policy.ts'
import { addressFromBytes, type ClientAddress } from '../src/core/client-address.ts'
import type { Login } from '../src/core/login.ts'
import type { Clock } from '../src/lib/clock.ts'
import { AuthorizationTable } from '../src/table/authorization-table.ts'

/** One week, the window of the 2002 set-up. */
export const WINDOW_SECONDS = 604_800
const WINDOW_MS = WINDOW_SECONDS * 1000
/** The newest part of the window, in which no entry's login lies: what is measured is newer, and nothing ends meanwhile. */
const MARGIN_MS = 3_600_000
/** A table of this many entries takes minutes to make. It is kept two directories up, in that of all benchmarks of a run. */
const WORTH_KEEPING = 1_000_000
/** Logins of one commit: about what a daemon reads at a time. */
const BATCH = 250

const nobody = new NetworkSet([])
const policy: AdmissionPolicy = {
  windowMs: WINDOW_MS,
  addressesPerUser: 10,
  usersPerAddress: 20,
  maxAddresses: 2_000_000,
  ipv6Prefix: 128,
  never: nobody,
  always: nobody,
  staticVeto: () => undefined,
}

/** The address of entry `n`, below 2^24, in 10.0.0.0/8; the same for each run, in no order. */
export function addressOf(n: number): ClientAddress {
  const mixed = Math.imul(n, 0x9e3779b1) & 0xff_ffff
  return addressFromBytes(Buffer.from([...IPV4_MAPPED, 10, mixed >> 16, (mixed >> 8) & 255, mixed & 255]))
}

const IPV4_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** The login of entry `n` at `atMs`. */
export function loginOf(n: number, atMs: number): Login {
  return { user: `user${n}@example.com`, address: addressOf(n), service: 'imap', server: 'dovecot', atMs }
}

/** Opens a new table in `directory` that holds `entries` live addresses. The caller closes it. A large one is kept for the next call. */
export async function filledTable(directory: string, entries: number, clock: Clock): Promise<AuthorizationTable> {
  if (entries < WORTH_KEEPING) return fill(directory, entries, clock)
  const kept = join(dirname(dirname(directory)), `kept-${entries}`)
  if (!existsSync(kept)) await (await fill(kept, entries, clock))[Symbol.asyncDispose]()
  cpSync(kept, directory, { recursive: true })
  return AuthorizationTable.open({ directory, clock, policy })
}

async function fill(directory: string, entries: number, clock: Clock): Promise<AuthorizationTable> {
  const table = await AuthorizationTable.open({ directory, clock, policy })
  const endMs = clock.now() - MARGIN_MS
  const stepMs = (WINDOW_MS - 2 * MARGIN_MS) / entries
  for (let from = 0; from < entries; from += BATCH) {
    const size = Math.min(BATCH, entries - from)
    const atMs = (n: number) => Math.round(endMs - (entries - 1 - n) * stepMs)
    await table.commit({ logins: Array.from({ length: size }, (_, i) => loginOf(from + i, atMs(from + i))) })
  }
  return table
}
