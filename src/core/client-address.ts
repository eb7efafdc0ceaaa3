/** Client addresses and networks: one canonical form, parsed strictly. Follows RFC 5952 (IPv6 text) and RFC 4291 (mapped IPv4). */
import ipaddr from 'ipaddr.js'

/** Canonical text of an address: dotted quad, or RFC 5952. IPv4-mapped IPv6 is folded to IPv4; never a zone id. */
export type ClientAddress = string & { readonly __clientAddress: never }

/** A range of addresses: `bits` leading bits of `bytes` (16 bytes; IPv4 stands at ::ffff:0:0/96, so `bits` counts from there on: 96 + prefix). */
export interface Network {
  /** As written canonically: `192.0.2.0/24`, `2001:db8::/32`; a single address without a prefix length. */
  readonly text: string
  readonly bytes: Uint8Array
  readonly bits: number
}

const LONGEST_ADDRESS = 45

/** 4, 6, or 0 for what is no address. The module is loaded at the first call: most of what a command line does goes without it. */
function isIP(text: string): number {
  net ??= process.getBuiltinModule('node:net')
  return net.isIP(text)
}
let net: typeof import('node:net') | undefined

/** The canonical form of `text`, or undefined where it is not exactly one whole IP address (no brackets, no zone id, no octal, no blanks). */
export function parseClientAddress(text: string): ClientAddress | undefined {
  if (text.length > LONGEST_ADDRESS || text.includes('%')) return undefined
  const kind = isIP(text)
  if (kind === 4) return text as ClientAddress
  if (kind !== 6) return undefined
  const parsed = ipaddr.IPv6.parse(withoutDottedQuad(text))
  return (parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String()) as ClientAddress
}

/** The same with `192.0.2.1` at its end as `c000:201`: ipaddr.js takes `::192.0.2.1`, an IPv6 address of its own, for the mapped IPv4 one. */
function withoutDottedQuad(text: string): string {
  const start = text.lastIndexOf(':') + 1
  if (!text.includes('.', start)) return text
  const [a = 0, b = 0, c = 0, d = 0] = text.slice(start).split('.').map(Number)
  return `${text.slice(0, start)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** The 16 bytes of an address; IPv4 as ::ffff:a.b.c.d, so that order and prefixes work alike for both. */
export function addressToBytes(address: ClientAddress): Buffer {
  const bytes = Buffer.alloc(16)
  if (!address.includes(':')) {
    bytes[10] = 0xff
    bytes[11] = 0xff
    let at = 12
    let octet = 0
    for (let i = 0; i < address.length; i++) {
      const code = address.charCodeAt(i)
      if (code === 46) {
        bytes[at++] = octet
        octet = 0
      } else octet = octet * 10 + code - 48
    }
    bytes[at] = octet
    return bytes
  }
  const parts = ipaddr.IPv6.parse(address).parts
  for (let i = 0; i < 8; i++) bytes.writeUInt16BE(parts[i] as number, i * 2)
  return bytes
}

/** The inverse of {@link addressToBytes}. @throws {RangeError} unless given 16 bytes */
export function addressFromBytes(bytes: Uint8Array): ClientAddress {
  if (bytes.length !== 16) throw new RangeError(`an address has 16 bytes, not ${bytes.length}`)
  if (isMappedIPv4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}` as ClientAddress
  return new ipaddr.IPv6(Array.from(bytes)).toRFC5952String() as ClientAddress
}

function isMappedIPv4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

/** True for an IPv4 address (mapped ones are IPv4 here). */
export function isIPv4Address(address: ClientAddress): boolean {
  return !address.includes(':')
}

/** Parses `192.0.2.0/24`, `2001:db8::/32` or a single address. Host bits beyond the prefix must be zero. Undefined where it is none. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = parseClientAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const widest = widthOf(address)
  const prefix = slash < 0 ? String(widest) : text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > widest) return undefined
  const network = networkOf(address, Number(prefix))
  return addressToBytes(address).equals(network.bytes) ? network : undefined
}

/** How many bits an address of its kind has: 32 or 128. */
function widthOf(address: ClientAddress): number {
  return isIPv4Address(address) ? 32 : 128
}

/** Parses `192.0.2.7/24`: the network that holds the address, whatever its bits beyond the prefix are. Undefined where it is none. */
export function parseNetworkAround(text: string): Network | undefined {
  const [, start = '', length = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const address = parseClientAddress(start)
  if (address === undefined || Number(length) > widthOf(address)) return undefined
  return networkOf(address, Number(length))
}

/** The network of `prefixLength` bits (of 32 for IPv4, of 128 for IPv6) that holds `address`. */
export function networkOf(address: ClientAddress, prefixLength: number): Network {
  const bits = isIPv4Address(address) ? 96 + prefixLength : prefixLength
  const bytes = maskBytes(addressToBytes(address), bits)
  const text = bits === 128 ? address : `${addressFromBytes(bytes)}/${prefixLength}`
  return { text, bytes, bits }
}

/** The network that a login from `address` opens: an IPv4 address alone, or the IPv6 network of `ipv6Prefix` bits around it. */
export function networkOfLogin(address: ClientAddress, ipv6Prefix: number): Network {
  return networkOf(address, isIPv4Address(address) ? 32 : ipv6Prefix)
}

/** True for a network of IPv6 addresses; it holds no IPv4 ones. */
export function isIPv6Network({ text }: Network): boolean {
  return text.includes(':')
}

/** Every address of a network, the first one first. For small ones: RangeError past 2^32. */
export function* addressesOf({ bytes, bits }: Network): Generator<ClientAddress> {
  const address = Buffer.from(bytes)
  const first = address.readUInt32BE(12)
  for (let n = 0; n < 2 ** (128 - bits); n++) {
    address.writeUInt32BE(first + n, 12)
    yield addressFromBytes(address)
  }
}

/** True if the network holds the address. IPv4 networks hold IPv4 addresses only; `::/0` holds IPv6 only. */
export function networkContains(network: Network, address: ClientAddress): boolean {
  if (isIPv6Network(network) === isIPv4Address(address)) return false
  const masked = maskBytes(addressToBytes(address), network.bits)
  return masked.equals(network.bytes)
}

/** True if they have addresses in common, which is to say that one lies in the other: they begin with the same bits, as many as the wider one has. */
export function networksOverlap(a: Network, b: Network): boolean {
  if (isIPv6Network(a) !== isIPv6Network(b)) return false
  const bits = Math.min(a.bits, b.bits)
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a.bytes[i] !== b.bytes[i]) return false
  const rest = (0xff00 >> (bits & 7)) & 0xff
  return rest === 0 || ((a.bytes[whole] as number) & rest) === ((b.bytes[whole] as number) & rest)
}

/** True if all of `inner` lies in `outer`. */
export function networkHolds(outer: Network, inner: Network): boolean {
  return outer.bits <= inner.bits && networksOverlap(outer, inner)
}

function maskBytes(bytes: Buffer, bits: number): Buffer {
  for (let i = 0; i < 16; i++) {
    const keep = Math.min(8, Math.max(0, bits - i * 8))
    bytes[i] = (bytes[i] as number) & ((0xff00 >> keep) & 0xff)
  }
  return bytes
}
