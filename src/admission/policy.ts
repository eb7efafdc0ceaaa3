/** What the configuration and the maps say about who may be opened: everything a verdict needs besides facts and decisions. */
import type { Config } from '../config/config.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { addressFromBytes, isIPv4Address, type Network, networkOf } from '../core/client-address.ts'
import { NetworkSet } from './network-set.ts'

/** How far a login may be dated ahead of the clock, and how long before its time it counts. */
export const AHEAD_MS = 5 * 60_000

/** Immutable; a reload makes a new one. */
export interface AdmissionPolicy {
  readonly windowMs: number
  readonly addressesPerUser: number
  readonly usersPerAddress: number
  /** Addresses that the table holds at most. */
  readonly maxAddresses: number
  /** Prefix length that one IPv6 login opens, 128 for the address alone. */
  readonly ipv6Prefix: number
  readonly never: NetworkSet
  readonly always: NetworkSet
  /**
   * What a map says of the address, or of a prefix of it, other than RELAY or OK (`Connect:192.0.2 REJECT`); undefined where nothing.
   * `prefixLength` below 128: asked for the whole IPv6 network that starts at `address`.
   */
  readonly staticVeto: (address: ClientAddress, prefixLength: number) => string | undefined
  /** All networks of which `staticVeto` says something; absent: none. */
  readonly staticNetworks?: readonly Network[]
}

/** The policy of a configuration. `defaultNever` are the networks of {@link import('./never.ts').defaultNeverNetworks}, where switched on. */
export function policyOf(
  config: Pick<Config, 'windowSeconds' | 'admission'>,
  defaultNever: NetworkSet | undefined,
  staticVeto: AdmissionPolicy['staticVeto'] = () => undefined,
  staticNetworks: readonly Network[] = [],
): AdmissionPolicy {
  const { never, neverDefaults, always, addressesPerUser, usersPerAddress, ipv6Prefix, maxAddresses } = config.admission
  const configured = never.map((network) => ({ network, label: 'configured' }))
  return {
    windowMs: config.windowSeconds * 1000,
    addressesPerUser,
    usersPerAddress,
    maxAddresses,
    ipv6Prefix,
    never: new NetworkSet([...configured, ...(neverDefaults ? (defaultNever?.members ?? []) : [])]),
    always: NetworkSet.of(always, 'configured'),
    staticVeto,
    staticNetworks,
  }
}

/** How many leading bits are those of whoever a login from `address` opens, as {@link Network} counts them: all 128 for IPv4. */
export function openedBits(address: ClientAddress, ipv6Prefix: number): number {
  return isIPv4Address(address) ? 128 : ipv6Prefix
}

/** The address under which the table keeps a client: itself, or the first address of its IPv6 network of `ipv6Prefix` bits. */
export function tableAddress(address: ClientAddress, ipv6Prefix: number): ClientAddress {
  if (ipv6Prefix >= 128 || isIPv4Address(address)) return address
  return addressFromBytes(networkOf(address, ipv6Prefix).bytes)
}
