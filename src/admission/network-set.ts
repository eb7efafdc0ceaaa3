/** A set of networks, each with a label, that answers "which of them holds this address?" at a cost that does not grow with their number. */
import {
  addressToBytes,
  type ClientAddress,
  isIPv4Address,
  isIPv6Network,
  type Network,
  networkHolds,
  networkOf,
} from '../core/client-address.ts'

/** One member: `label` says for people what the network is, for instance `loopback`. */
export interface LabeledNetwork {
  readonly network: Network
  readonly label: string
}

/** Members of one address family. */
interface Family {
  /** By number of leading bits, longest first. */
  readonly lengths: readonly { readonly bits: number; readonly byPrefix: ReadonlyMap<string, LabeledNetwork> }[]
  /** The first octet of the address, of 12 further bytes for IPv4. */
  readonly firstByte: 0 | 12
  /** 1 for each value of it that an address in a member can have: most addresses are in none, and are told so at once. */
  readonly firstBytes: Uint8Array
}

/** Immutable. IPv4 networks hold IPv4 addresses only, IPv6 networks IPv6 addresses only. */
export class NetworkSet {
  readonly members: readonly LabeledNetwork[]
  readonly #ipv4: Family
  readonly #ipv6: Family

  constructor(members: Iterable<LabeledNetwork>) {
    this.members = [...members]
    const isIPv6 = ({ network }: LabeledNetwork) => isIPv6Network(network)
    this.#ipv4 = familyOf(
      this.members.filter((member) => !isIPv6(member)),
      12,
    )
    this.#ipv6 = familyOf(this.members.filter(isIPv6), 0)
  }

  /** A set of networks that all have the same label. */
  static of(networks: Iterable<Network>, label: string): NetworkSet {
    return new NetworkSet(Array.from(networks, (network) => ({ network, label })))
  }

  /** The narrowest network of no more than `mostBits` leading bits (as {@link Network} counts them) that holds `address`. */
  find(address: ClientAddress, mostBits = 128): LabeledNetwork | undefined {
    const family = isIPv4Address(address) ? this.#ipv4 : this.#ipv6
    if (family.lengths.length === 0) return undefined
    const bytes = addressToBytes(address)
    if (family.firstBytes[bytes[family.firstByte] as number] === 0) return undefined
    for (const { bits, byPrefix } of family.lengths) {
      const found = bits > mostBits ? undefined : byPrefix.get(prefixOf(bytes, bits))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A network that holds `address`, or lies inside the IPv6 network of `prefixLength` bits that starts at `address`. */
  findOverlap(address: ClientAddress, prefixLength: number): LabeledNetwork | undefined {
    const holding = this.find(address)
    if (holding !== undefined || prefixLength >= 128 || isIPv4Address(address)) return holding
    const around = networkOf(address, prefixLength)
    return this.members.find(({ network }) => networkHolds(around, network))
  }
}

function familyOf(members: readonly LabeledNetwork[], firstByte: Family['firstByte']): Family {
  const firstBytes = new Uint8Array(256)
  const byBits = new Map<number, Map<string, LabeledNetwork>>()
  for (const member of members) {
    const { bits, bytes } = member.network
    const byPrefix = byBits.get(bits) ?? new Map<string, LabeledNetwork>()
    byBits.set(bits, byPrefix)
    const first = bytes[firstByte] as number
    const free = Math.max(0, 8 - (bits - firstByte * 8))
    firstBytes.fill(1, first, first + 2 ** free)
    const prefix = prefixOf(Buffer.from(bytes), bits)
    if (!byPrefix.has(prefix)) byPrefix.set(prefix, member)
  }
  const lengths = [...byBits].sort(([a], [b]) => b - a).map(([bits, byPrefix]) => ({ bits, byPrefix }))
  return { lengths, firstByte, firstBytes }
}

/** The leading bits as a string of their bytes: a map key. */
function prefixOf(bytes: Buffer, bits: number): string {
  const whole = bits >> 3
  const head = bytes.toString('latin1', 0, whole)
  const rest = bits & 7
  return rest === 0 ? head : head + String.fromCharCode((bytes[whole] as number) & (0xff00 >> rest) & 0xff)
}
