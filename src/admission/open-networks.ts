/** What of the networks that always may relay is really open: `never`, `block` and static entries come first (invariant 7), and a map cannot say "but not". */
import {
  addressFromBytes,
  isIPv4Address,
  isIPv6Network,
  type Network,
  networkOf,
  networkOfLogin,
  networksOverlap,
} from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import type { NetworkSet } from './network-set.ts'
import type { AdmissionPolicy } from './policy.ts'

const WHOLE = 128

type Policy = Pick<AdmissionPolicy, 'always' | 'never' | 'ipv6Prefix' | 'staticNetworks'>

/** What maps open without a login. */
export interface OpenNetworks {
  /** For an access map, which holds its static entries itself. */
  readonly accessMap: readonly Network[]
  /** For all others: without what a static entry refuses. */
  readonly others: readonly Network[]
}

const NOTHING: OpenNetworks = { accessMap: [], others: [] }

/** The networks of `always` without those of `closed`: where one lies inside, what is left of it in as few networks as say it. */
export function openNetworks(always: readonly Network[], closed: readonly Network[]): Network[] {
  return always.flatMap((network) => without(network, closed))
}

function without(network: Network, holes: readonly Network[]): Network[] {
  const near = holes.filter((hole) => networksOverlap(network, hole))
  if (near.length === 0) return [network]
  if (near.some((hole) => hole.bits <= network.bits)) return []
  return halvesOf(network).flatMap((half) => without(half, near))
}

function halvesOf(network: Network): Network[] {
  const { bytes, bits } = network
  if (bits >= WHOLE) return []
  const upper = Uint8Array.from(bytes)
  upper[bits >> 3] = (upper[bits >> 3] as number) | (0x80 >> (bits & 7))
  const halves = [bytes, upper].map((start) => {
    const address = addressFromBytes(start)
    return networkOf(address, isIPv4Address(address) ? bits + 1 - 96 : bits + 1)
  })
  // ::ffff:0:0/96 is all of IPv4, which no IPv6 network holds.
  return halves.filter((half) => isIPv6Network(half) === isIPv6Network(network))
}

/** The networks that a map may open without a login, by the policy and the operator's blocks as of `nowMs` (Unix milliseconds). */
export function networksForMaps(policy: Policy, decisions: readonly Decision[], nowMs: number): OpenNetworks {
  const { always, never, ipv6Prefix, staticNetworks = [] } = policy
  if (always.members.length === 0) return NOTHING
  const networksOf = (set: NetworkSet) => set.members.map(({ network }) => network)
  const blocked = decisions.flatMap((decision) =>
    decision.kind === 'block' && 'address' in decision && (decision.untilMs ?? Number.POSITIVE_INFINITY) > nowMs
      ? networkOfLogin(decision.address, ipv6Prefix)
      : [],
  )
  const accessMap = openNetworks(networksOf(always), [...networksOf(never), ...blocked])
  return { accessMap, others: openNetworks(accessMap, staticNetworks) }
}

/** {@link networksForMaps}, made anew only where policy or decisions are others than the last time: thousands of blocks are work. */
export class NetworksForMaps {
  #policy: Policy | undefined
  #decisions: readonly Decision[] = []
  #open = NOTHING

  /** `decisions`: a list that is replaced, not changed; a block that has ended is dropped from it. */
  of(policy: Policy, decisions: readonly Decision[], nowMs: number): OpenNetworks {
    if (policy !== this.#policy || decisions !== this.#decisions) this.#open = networksForMaps(policy, decisions, nowMs)
    this.#policy = policy
    this.#decisions = decisions
    return this.#open
  }
}
