/**
 * Under which keys couriertcpd looks a client up, most specific first (couriertcpd(8), "ACCESS FILE"): its address cut at octets (`192.0.2.7`,
 * `192.0.2`) or, with a colon in front and each word padded, at 16-bit words (`:2001:0db8`), at last `*`.
 */
import { partsOfAddress, partsOfNetwork } from '../../core/access-text.ts'
import { type ClientAddress, isIPv4Address, type Network } from '../../core/client-address.ts'

/** The key of the clients of whom nothing else is said. */
export const DEFAULT_KEY = '*'

/** The key of a whole address. */
export function keyOfAddress(address: ClientAddress): string {
  return isIPv4Address(address) ? address : textOfWords(partsOfAddress(address))
}

/** How many keys stand for `network`: several where it ends within an octet or a word. */
export function keyCountOf(network: Network): number {
  return partsOfNetwork(network).count
}

/** The keys that together stand for `network`. */
export function keysOfNetwork(network: Network): string[] {
  const { isIPv4, all } = partsOfNetwork(network)
  return all().map((parts) => (isIPv4 ? parts.join('.') : textOfWords(parts)))
}

function textOfWords(words: readonly number[]): string {
  return words.map((word) => `:${word.toString(16).padStart(4, '0')}`).join('')
}

/** The keys under which what `key` stands for is looked up: itself, then the shorter ones, at last `*`. */
export function* lookupsOf(key: string): Generator<string> {
  for (let rest = key; rest !== ''; ) {
    yield rest
    const cut = Math.max(rest.lastIndexOf('.'), rest.lastIndexOf(':'))
    rest = cut < 0 ? '' : rest.slice(0, cut)
  }
  yield DEFAULT_KEY
}
