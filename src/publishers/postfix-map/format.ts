/**
 * Keys and values of a Postfix lookup table that says which clients may relay: access(5), postconf(5) "mynetworks". Only whole addresses:
 * where Postfix cuts an address at its colons (`check_client_access` with an indexed table, read without the pattern that docs/postfix.md puts
 * in front), the key `2001:db8::1` of one client is also found for `2001:db8::1:5`, another one; and `mynetworks` knows no prefix keys.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Authorization } from '../../core/authorization.ts'
import { addressesOf, type ClientAddress, type Network } from '../../core/client-address.ts'
import { UsageError } from '../../errors.ts'
import { type CdbEntry, cdbFile } from '../../lib/cdb.ts'
import type { FileFormat } from '../file-publisher.ts'

/** What `check_client_access` takes for "permit"; `mynetworks` looks at keys only. */
export const PERMIT = 'OK'

/** A /16 of IPv4: about 2 MB. */
const MOST_KEYS = 65_536
const SLICE = 1000

/**
 * The address as Postfix writes a client's: that of RFC 5952, but with the last 32 bits as IPv4 where the 96 before are zero and the
 * next 16 are not (`::192.0.2.1`), as the system's inet_ntop(3) has it.
 */
export function keyOfAddress(address: ClientAddress): string {
  if (!address.startsWith('::')) return address
  const [, high, low] = /^::([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const [first, second] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `::${first >> 8}.${first & 255}.${second >> 8}.${second & 255}`
}

/** How many addresses a network has. @throws {UsageError} where they are too many to be said one by one */
export function countOfNetwork({ text, bits }: Network): number {
  const count = 2 ** (128 - bits)
  if (count <= MOST_KEYS) return count
  throw new UsageError(
    `cannot write ${text} into a Postfix map: Postfix finds whole addresses there, no networks, and ${MOST_KEYS} are the most that are written for one`,
    { mend: 'add it to mynetworks in main.cf instead, where Postfix knows networks' },
  )
}

/** The keys of all addresses in the network. @throws {UsageError} as {@link countOfNetwork} */
export function* keysOfNetwork(network: Network): Generator<string> {
  countOfNetwork(network)
  for (const address of addressesOf(network)) yield keyOfAddress(address)
}

/** @throws {UsageError} where a login opens more than its own address, which no whole key can say */
export function requireWholeAddresses(ipv6Prefix: number): void {
  if (ipv6Prefix === 128) return
  throw new UsageError(
    `cannot keep a Postfix map in step with admission.ipv6_prefix: ${ipv6Prefix}: Postfix finds whole addresses there, no networks`,
    {
      mend: 'let Postfix ask the socket map or the policy service (lookups) instead of reading a map, or set ipv6_prefix to 128',
    },
  )
}

/** All keys of a table, none twice: those of the networks first. Slice by slice, with turns for others in between. */
export async function* keySlices(
  slices: AsyncIterable<readonly Authorization[]>,
  always: readonly Network[],
): AsyncGenerator<string[]> {
  const written = new Set<string>()
  for (const network of always) {
    let slice: string[] = []
    for (const key of keysOfNetwork(network)) {
      if (written.has(key)) continue
      written.add(key)
      slice.push(key)
      if (slice.length < SLICE) continue
      yield slice
      slice = []
      await nextTurn()
    }
    yield slice
  }
  for await (const slice of slices) {
    const keys = slice.map(({ address }) => keyOfAddress(address))
    yield written.size === 0 ? keys : keys.filter((key) => !written.has(key))
  }
}

/** A whole cdb file. Keys and values without a NUL at their end, as postmap writes cdb: of either kind, Postfix takes what the file has. */
export function postfixCdbFormat(): FileFormat {
  async function* entries(keys: AsyncIterable<string[]>): AsyncGenerator<CdbEntry[]> {
    for await (const slice of keys) yield slice.map((key) => ({ key, data: PERMIT }))
  }
  return {
    needs: 'membership',
    check: (always) => void always.map(countOfNetwork),
    render: (slices, always) => cdbFile(entries(keySlices(slices, always))),
  }
}
