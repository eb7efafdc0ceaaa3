/**
 * The networks that no login opens by default: loopback and its kind, the host's own addresses, its gateways and its bridges. A mail
 * server behind a proxy or in a container shows one of them for every login, which would open the relay to the world.
 * Private networks (RFC 1918) are not among them: the devices there are users.
 */
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { basename, join } from 'node:path'
import { addressFromBytes, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import { type LabeledNetwork, NetworkSet } from './network-set.ts'

/** RFC 6890 and RFC 4291: addresses that no client on a network can have. */
const FIXED: readonly (readonly [network: string, label: string])[] = [
  ['127.0.0.0/8', 'loopback'],
  ['::1', 'loopback'],
  ['0.0.0.0/8', 'unspecified'],
  ['::', 'unspecified'],
  ['169.254.0.0/16', 'link-local'],
  ['fe80::/10', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['ff00::/8', 'multicast'],
  ['255.255.255.255', 'broadcast'],
]

/** Where the host's addresses are read; each may throw, and then counts as empty. */
export interface HostNetworkReaders {
  /** The host's own addresses, as text, by name of the interface. */
  interfaceAddresses(): Iterable<readonly [interfaceName: string, address: string]>
  /** Text of /proc/net/route. */
  ipv4Routes(): string
  /** Text of /proc/net/ipv6_route. */
  ipv6Routes(): string
  /** True if the interface is a bridge. */
  isBridge(interfaceName: string): boolean
}

/** Reads the running host. */
export const hostNetworkReaders: HostNetworkReaders = {
  *interfaceAddresses() {
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      for (const { address } of addresses ?? []) yield [name, address] as const
    }
  },
  ipv4Routes: () => readFileSync('/proc/net/route', 'latin1'),
  ipv6Routes: () => readFileSync('/proc/net/ipv6_route', 'latin1'),
  isBridge: (name) => existsSync(join('/sys/class/net', basename(name), 'bridge')),
}

/** The default never networks as they are at this moment; addresses come and go, so ask again now and then. Never throws. */
export function defaultNeverNetworks(readers: HostNetworkReaders = hostNetworkReaders): NetworkSet {
  const members: LabeledNetwork[] = []
  for (const [text, label] of FIXED) addMember(members, text, label)
  for (const [name, address] of orNothing(() => [...readers.interfaceAddresses()], [])) {
    const kind = orNothing(() => readers.isBridge(name), false) ? 'address of the bridge' : "the host's own address on"
    addMember(members, address, `${kind} ${name}`)
  }
  for (const [name, address] of orNothing(() => gatewaysOfIPv4Routes(readers.ipv4Routes()), [])) {
    addMember(members, address, `gateway on ${name}`)
  }
  for (const [name, address] of orNothing(() => gatewaysOfIPv6Routes(readers.ipv6Routes()), [])) {
    addMember(members, address, `gateway on ${name}`)
  }
  return new NetworkSet(members)
}

/** True if both hold the same networks with the same labels: then nothing need be judged anew. */
export function sameNetworks(a: NetworkSet, b: NetworkSet): boolean {
  const textOf = (set: NetworkSet) =>
    set.members
      .map(({ network, label }) => `${network.text} ${label}`)
      .sort()
      .join('\n')
  return textOf(a) === textOf(b)
}

/** Gateways in /proc/net/route (proc(5)): tab-separated; destination and gateway are hexadecimal in the host's byte order. */
export function gatewaysOfIPv4Routes(text: string): [interfaceName: string, address: string][] {
  const gateways: [string, string][] = []
  for (const line of text.split('\n').slice(1)) {
    const [name, , gateway] = line.split('\t')
    if (name === undefined || gateway === undefined || !/^[0-9A-F]{8}$/i.test(gateway) || gateway === '00000000')
      continue
    const bytes = Buffer.from(gateway, 'hex')
    gateways.push([name, (isLittleEndian() ? bytes.reverse() : bytes).join('.')])
  }
  return gateways
}

/** Gateways in /proc/net/ipv6_route: the fifth field is the next hop, 32 hexadecimal digits; the tenth the interface. */
export function gatewaysOfIPv6Routes(text: string): [interfaceName: string, address: string][] {
  const gateways: [string, string][] = []
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/)
    const [gateway, name] = [fields[4], fields[9]]
    if (name === undefined || gateway === undefined || !/^[0-9a-f]{32}$/i.test(gateway) || /^0+$/.test(gateway))
      continue
    gateways.push([name, addressFromBytes(Buffer.from(gateway, 'hex'))])
  }
  return gateways
}

function isLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
}

function addMember(members: LabeledNetwork[], text: string, label: string): void {
  const withoutZone = text.replace(/%.*$/, '')
  const network = text.includes('/') ? parseNetwork(text) : parseNetwork(parseClientAddress(withoutZone) ?? '')
  if (network !== undefined) members.push({ network, label })
}

function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read()
  } catch {
    return nothing
  }
}
