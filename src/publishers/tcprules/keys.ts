/**
 * Under which keys tcpserver looks a client up, most specific first (tcprules(1), "Rules"): its whole address, then the address cut behind each
 * dot (with Debian's IPv6 patch, behind each colon too), from the longest, at last the empty key.
 */
import { partsOfAddress, partsOfNetwork, scopeOfKey } from '../../core/access-text.ts'
import {
  addressFromBytes,
  type ClientAddress,
  isIPv4Address,
  type Network,
  networkHolds,
} from '../../core/client-address.ts'
import { networkOfScope } from '../../core/static-entries.ts'

const MOST_KEYS = 256

/**
 * An address as tcpserver writes it. For IPv6 that is not RFC 5952: the first of the longest runs of zero words is left out also where it is a
 * single word, so 2001:db8:0:1:2:3:4:5 is `2001:db8::1:2:3:4:5`.
 */
export function keyOfAddress(address: ClientAddress): string {
  if (isIPv4Address(address)) return address
  const words = partsOfAddress(address)
  const { start, length } = longestZeros(words)
  const text = (some: readonly number[]) => some.map((word) => word.toString(16)).join(':')
  return length === 0 ? text(words) : `${text(words.slice(0, start))}::${text(words.slice(start + length))}`
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let length = 0
    while (words[start + length] === 0) length++
    if (length > longest.length) longest = { start, length }
  }
  return longest
}

/**
 * The keys that together stand for `network`, or why none can. tcpserver cuts addresses at octets and 16-bit words, so a network that ends in
 * between takes several. Where one of an IPv6 network's words is zero, the texts of its addresses have no beginning in common that others have not.
 */
export function keysOfNetwork(network: Network): { keys: string[] } | { problem: string } {
  const { text, bits, bytes } = network
  if (bits === 128) return { keys: [keyOfAddress(addressFromBytes(bytes))] }
  if (text.endsWith('/0')) return { problem: `${text} is every address there is` }
  const { isIPv4, length, count, all: lists } = partsOfNetwork(network)
  if (count > MOST_KEYS) return { problem: `${text} would take ${count} rules, ${MOST_KEYS} are the most` }
  const all = lists()
  if (isIPv4) return { keys: all.map((octets) => octets.join('.') + (length < 4 ? '.' : '')) }
  if (all.some((words) => words.includes(0))) return { problem: `${text} has a zero among its first ${length} words` }
  return { keys: all.map((words) => words.map((word) => `${word.toString(16)}:`).join('')) }
}

/** The keys under which what `key` stands for is looked up: itself, then the shorter ones, at last the empty one. */
export function* lookupsOf(key: string): Generator<string> {
  yield key
  for (let length = key.length - 1; length > 0; length--) {
    const end = key[length - 1]
    if (end === '.' || end === ':') yield key.slice(0, length)
  }
  if (key !== '') yield ''
}

/** True where all that `key` stands for lies in one of the networks. */
export function liesIn(key: string, networks: readonly Network[]): boolean {
  const scope = scopeOfKey(key)
  if (scope === undefined || scope.tagged || scope.prefixLength !== undefined) return false
  const meant = networkOfScope(scope)
  return networks.some((network) => networkHolds(network, meant))
}
