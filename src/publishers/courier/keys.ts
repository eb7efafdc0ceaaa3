/**
 * Under which keys couriertcpd looks a client up, most specific first (couriertcpd(8), "ACCESS FILE"): its address cut at octets (`192.0.2.7`,
 * `192.0.2`) or, with a colon in front and each word padded, at 16-bit words (`:2001:0db8`), at last `*`.
 */
import { partsOfAddress } from '../../core/access-text.ts'
import { addressFromBytes, type ClientAddress, isIPv4Address, type Network } from '../../core/client-address.ts'

/** The key of the clients of whom nothing else is said. */
export const DEFAULT_KEY = '*'

/** The key of a whole address. */
export function keyOfAddress(address: ClientAddress): string {
  if (isIPv4Address(address)) return address
  return partsOfAddress(address)
    .map((word) => textOf(word, false))
    .join('')
}

/** How many keys stand for `network`: several where it ends within an octet or a word. */
export function keyCountOf(network: Network): number {
  const { wholeBits, partBits, length } = shapeOf(network)
  return 2 ** (length * partBits - wholeBits)
}

/** The keys that together stand for `network`. */
export function keysOfNetwork(network: Network): string[] {
  const first = addressFromBytes(network.bytes)
  const isV4 = isIPv4Address(first)
  const parts = partsOfAddress(first).slice(0, shapeOf(network).length)
  const last = parts.pop() as number
  const head = parts.map((part) => textOf(part, isV4)).join('')
  return Array.from({ length: keyCountOf(network) }, (_, index) => {
    const key = head + textOf(last + index, isV4)
    return isV4 ? key.slice(1) : key
  })
}

/** `length`: how many octets or words a key has. */
function shapeOf({ text, bits }: Network): { wholeBits: number; partBits: number; length: number } {
  const [wholeBits, partBits] = text.includes(':') ? [bits, 16] : [bits - 96, 8]
  return { wholeBits, partBits, length: Math.max(1, Math.ceil(wholeBits / partBits)) }
}

// Each part with its separator in front.
function textOf(part: number, isV4: boolean): string {
  return isV4 ? `.${part}` : `:${part.toString(16).padStart(4, '0')}`
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
