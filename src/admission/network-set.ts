/** A set of networks, each with a label, that answers "which of them holds this address?" at a cost that does not grow with their number. */
import { addressToBytes, type ClientAddress, isIPv4Address, type Network } from '../core/client-address.ts'

/** One member: `label` says for people what the network is, for instance `loopback`. */
export interface LabeledNetwork {
  readonly network: Network
  readonly label: string
}

/** Members of one address family, by number of leading bits, longest first. */
type Family = readonly { readonly bits: number; readonly byPrefix: ReadonlyMap<string, LabeledNetwork> }[]

/** Immutable. IPv4 networks hold IPv4 addresses only, IPv6 networks IPv6 addresses only. */
export class NetworkSet {
  readonly members: readonly LabeledNetwork[]
  readonly #ipv4: Family
  readonly #ipv6: Family

  constructor(members: Iterable<LabeledNetwork>) {
    this.members = [...members]
    const isIPv6 = ({ network }: LabeledNetwork) => network.text.includes(':')
    this.#ipv4 = familyOf(this.members.filter((member) => !isIPv6(member)))
    this.#ipv6 = familyOf(this.members.filter(isIPv6))
  }

  /** A set of networks that all have the same label. */
  static of(networks: Iterable<Network>, label: string): NetworkSet {
    return new NetworkSet(Array.from(networks, (network) => ({ network, label })))
  }

  /** The narrowest network that holds `address`. */
  find(address: ClientAddress): LabeledNetwork | undefined {
    const family = isIPv4Address(address) ? this.#ipv4 : this.#ipv6
    if (family.length === 0) return undefined
    const bytes = addressToBytes(address)
    for (const { bits, byPrefix } of family) {
      const found = byPrefix.get(prefixOf(bytes, bits))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A network that holds `address`, or lies inside the IPv6 network of `prefixLength` bits that starts at `address`. */
  findOverlap(address: ClientAddress, prefixLength: number): LabeledNetwork | undefined {
    const holding = this.find(address)
    if (holding !== undefined || prefixLength >= 128 || isIPv4Address(address)) return holding
    const wanted = prefixOf(addressToBytes(address), prefixLength)
    return this.members.find(
      ({ network }) =>
        network.text.includes(':') &&
        network.bits > prefixLength &&
        prefixOf(Buffer.from(network.bytes), prefixLength) === wanted,
    )
  }
}

function familyOf(members: readonly LabeledNetwork[]): Family {
  const byBits = new Map<number, Map<string, LabeledNetwork>>()
  for (const member of members) {
    const { bits, bytes } = member.network
    const byPrefix = byBits.get(bits) ?? new Map<string, LabeledNetwork>()
    byBits.set(bits, byPrefix)
    const prefix = prefixOf(Buffer.from(bytes), bits)
    if (!byPrefix.has(prefix)) byPrefix.set(prefix, member)
  }
  return [...byBits].sort(([a], [b]) => b - a).map(([bits, byPrefix]) => ({ bits, byPrefix }))
}

/** The leading bits as a string of their bytes: a map key. */
function prefixOf(bytes: Buffer, bits: number): string {
  const whole = bits >> 3
  const head = bytes.toString('latin1', 0, whole)
  const rest = bits & 7
  return rest === 0 ? head : head + String.fromCharCode((bytes[whole] as number) & (0xff00 >> rest) & 0xff)
}
