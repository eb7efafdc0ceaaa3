/** What of the networks that always may relay is really open: `never` and `block` come first (invariant 7), and a map cannot say "but not". */
import { addressFromBytes, isIPv4Address, type Network, networkContains, networkOf } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import type { NetworkSet } from './network-set.ts'
import type { AdmissionPolicy } from './policy.ts'

const WHOLE = 128

/** The networks of `always` without those of `closed`: where one lies inside, what is left of it in as few networks as say it. */
export function openNetworks(always: readonly Network[], closed: readonly Network[]): Network[] {
  return closed.reduce((open, hole) => open.flatMap((network) => without(network, hole)), [...always])
}

function without(network: Network, hole: Network): Network[] {
  const start = addressFromBytes(network.bytes)
  const holeStart = addressFromBytes(hole.bytes)
  if (networkContains(hole, start)) {
    // The hole holds the network's first address: it holds it all, or lies at its beginning.
    if (hole.bits <= network.bits) return []
  } else if (!networkContains(network, holeStart)) return [network]
  return halvesOf(network).flatMap((half) => without(half, hole))
}

function halvesOf({ bytes, bits }: Network): Network[] {
  if (bits >= WHOLE) return []
  const upper = Uint8Array.from(bytes)
  upper[bits >> 3] = (upper[bits >> 3] as number) | (0x80 >> (bits & 7))
  return [bytes, upper].map((start) => {
    const address = addressFromBytes(start)
    return networkOf(address, isIPv4Address(address) ? bits + 1 - 96 : bits + 1)
  })
}

/** The networks that a map may open without a login, by the policy and the operator's blocks as of `nowMs` (Unix milliseconds). */
export function networksForMaps(
  { always, never }: Pick<AdmissionPolicy, 'always' | 'never'>,
  decisions: readonly Decision[],
  nowMs: number,
): Network[] {
  const blocked = decisions.flatMap((decision) =>
    decision.kind === 'block' && 'address' in decision && (decision.untilMs ?? Number.POSITIVE_INFINITY) > nowMs
      ? networkOf(decision.address, isIPv4Address(decision.address) ? 32 : 128)
      : [],
  )
  const networksOf = (set: NetworkSet) => set.members.map(({ network }) => network)
  return openNetworks(networksOf(always), [...networksOf(never), ...blocked])
}
