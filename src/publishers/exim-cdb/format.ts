/**
 * A cdb for Exim's `net-cdb`, and `net64-cdb` and the like where an IPv6 login opens more than its address: the key is the address, the data
 * when its right ends (Unix seconds). Exim specification, "Host list patterns for single-key lookups by host address".
 */
import type { Authorization } from '../../core/authorization.ts'
import {
  addressesOf,
  addressFromBytes,
  addressToBytes,
  type ClientAddress,
  isIPv4Address,
  isIPv6Network,
  type Network,
  networkOf,
} from '../../core/client-address.ts'
import { UsageError } from '../../errors.ts'
import { type CdbEntry, cdbFile } from '../../lib/cdb.ts'
import { endSeconds, WITHOUT_END_SECONDS } from '../end-seconds.ts'
import type { FileFormat } from '../file-publisher.ts'

/** Networks that always may relay are written address by address: as many as a /16 has. */
const MOST_ALWAYS = 65_536

/** `ipv6Prefix`: how many bits an IPv6 login opens; their keys end in `/64` unless it is 128, and Exim must be told to look for `net64-cdb` too. */
export function eximCdbFormat(ipv6Prefix: number): FileFormat {
  const entryOf = ({ address, untilMs }: Authorization): CdbEntry => ({
    key: keyOfLogin(address, ipv6Prefix),
    data: String(endSeconds(untilMs)),
  })
  // Of several entries with one key the first counts: what never ends comes before logins.
  async function* entries(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]) {
    yield entriesOfAlways(always)
    for await (const slice of slices) yield slice.map(entryOf)
  }
  return { needs: 'expiry', check, render: (slices, always) => cdbFile(entries(slices, always)) }
}

/** How Exim looks for an address: IPv4 as it is, IPv6 in full with dots (`2001.0db8.0000...`). */
export function keyOfAddress(address: ClientAddress): string {
  if (isIPv4Address(address)) return address
  const digits = addressToBytes(address).toString('hex')
  return (digits.match(/.{4}/g) as string[]).join('.')
}

function keyOfLogin(address: ClientAddress, ipv6Prefix: number): string {
  if (ipv6Prefix === 128 || isIPv4Address(address)) return keyOfAddress(address)
  const start = addressFromBytes(networkOf(address, ipv6Prefix).bytes)
  return `${keyOfAddress(start)}/${ipv6Prefix}`
}

function* entriesOfAlways(always: readonly Network[]): Generator<CdbEntry> {
  for (const network of always)
    for (const address of addressesOf(network)) yield { key: keyOfAddress(address), data: String(WITHOUT_END_SECONDS) }
}

// What is left of a network when blocked addresses are taken out of it is never refused where the whole was not.
function check(always: readonly Network[]): void {
  let addresses = 0
  for (const network of always) {
    if (isIPv6Network(network) && network.bits < 128) throw cannotSay(network.text, 'an IPv6 network')
    addresses += 2 ** (128 - network.bits)
    if (addresses > MOST_ALWAYS)
      throw cannotSay(network.text, `more than ${MOST_ALWAYS} addresses that always may relay`)
  }
}

function cannotSay(text: string, what: string): UsageError {
  return new UsageError(`cannot write ${text} into a cdb of Exim: it knows whole addresses, and this is ${what}`, {
    mend: "name the network in Exim's own configuration (relay_from_hosts), or take the format exim_iplsearch",
  })
}
