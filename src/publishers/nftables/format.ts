/**
 * Scripts for `nft -f -` that change the elements of sets (nft(8), "Sets", "Element commands"). Tables, sets and rules are the operator's own:
 * nothing here makes or changes one. A script is one transaction.
 */
import type { Authorization, TableChange } from '../../core/authorization.ts'
import {
  type ClientAddress,
  isIPv4Address,
  isIPv6Network,
  type Network,
  networkHolds,
} from '../../core/client-address.ts'

/** The sets, each by family, table and name: `inet filter popauthd4`. */
export interface SetNames {
  /** Sets of single addresses with timeouts: who logged in. An IPv6 login that opens a network stands as the first address of it. */
  readonly ipv4: string
  readonly ipv6: string
  /** Sets of networks: what may relay without a login. */
  readonly alwaysIpv4: string
  readonly alwaysIpv6: string
}

/** An element of a set of logins; `untilMs` undefined: it has no end. */
export interface SetElement {
  readonly set: string
  readonly address: ClientAddress
  readonly untilMs: number | undefined
}

/** What is so close to its end is left out: a timeout of nothing would be none at all to the kernel, that is for ever. */
const LEAST_LEFT_MS = 1000
/** nft reads at most eight digits: three years. */
const MOST_SECONDS = 99_999_999
const CHANGES_AT_ONCE = 500

/** The set of logins that `address` belongs to. */
export function setOf(address: ClientAddress, sets: SetNames): string {
  return isIPv4Address(address) ? sets.ipv4 : sets.ipv6
}

/**
 * Makes the sets of logins equal to what `slices` yield, in one transaction. `now` gives Unix milliseconds; `onElement` is told what is written.
 * The script of a set ends with the last brace of its elements, so nft refuses one that was cut off within it.
 */
export async function* wholeScript(
  slices: AsyncIterable<readonly Authorization[]>,
  sets: SetNames,
  now: () => number,
  onElement: (element: SetElement) => void,
): AsyncGenerator<string> {
  const unflushed = new Set([sets.ipv4, sets.ipv6])
  let open: string | undefined
  for await (const slice of slices) {
    const nowMs = now()
    let text = ''
    for (const { address, untilMs } of slice) {
      const written = elementText(address, untilMs, nowMs)
      if (written === undefined) continue
      const set = setOf(address, sets)
      if (set === open) text += `,\n${written}`
      else {
        if (open !== undefined) text += END
        if (unflushed.delete(set)) text += flushScript(set)
        text += `add element ${set} {\n${written}`
        open = set
      }
      onElement({ set, address, untilMs })
    }
    yield text
  }
  yield `${open === undefined ? '' : END}${[...unflushed].map(flushScript).join('')}`
}

const END = '\n}\n'

/** Empties a set. */
export function flushScript(set: string): string {
  return `flush set ${set}\n`
}

/** Makes a set of networks equal to those given, which must be of its family and none inside another. */
export function networksScript(set: string, networks: readonly Network[]): string {
  if (networks.length === 0) return flushScript(set)
  return `${flushScript(set)}add element ${set} { ${networks.map(({ text }) => text).join(', ')} }\n`
}

/**
 * Brings the elements in step with `changes`, of which the last one of an address counts, in some hundreds at a time. Adding, deleting and adding
 * again works whatever the set holds: an element that is there keeps its old timeout when it is only added, and deleting one that is not there fails.
 */
export function* changesScript(changes: readonly TableChange[], sets: SetNames, now: () => number): Generator<string> {
  const latest = [...new Map(changes.map((change) => [change.address, change])).values()]
  for (let at = 0; at < latest.length; at += CHANGES_AT_ONCE) {
    const some = latest.slice(at, at + CHANGES_AT_ONCE)
    yield [sets.ipv4, sets.ipv6]
      .map((set) =>
        ofOneSet(
          set,
          some.filter((of) => setOf(of.address, sets) === set),
          now(),
        ),
      )
      .join('')
  }
}

function ofOneSet(set: string, changes: readonly TableChange[], nowMs: number): string {
  if (changes.length === 0) return ''
  const names = changes.map(({ address }) => address).join(', ')
  const stay = changes
    .filter(({ kind }) => kind !== 'ended')
    .flatMap(({ address, untilMs }) => elementText(address, untilMs, nowMs) ?? [])
  const again = stay.length === 0 ? '' : `add element ${set} { ${stay.join(', ')} }\n`
  return `add element ${set} { ${names} }\ndelete element ${set} { ${names} }\n${again}`
}

function elementText(address: ClientAddress, untilMs: number | undefined, nowMs: number): string | undefined {
  if (untilMs === undefined) return address
  const leftMs = Math.floor(untilMs - nowMs)
  if (!(leftMs >= LEAST_LEFT_MS)) return undefined
  const seconds = Math.min(MOST_SECONDS, Math.floor(leftMs / 1000))
  return `${address} timeout ${seconds}s${leftMs % 1000}ms`
}

/** For `nft -c`, which tries and changes nothing: succeeds where all the elements are in their sets. Costs the same whatever the sets hold. */
export function presenceScript(elements: readonly Pick<SetElement, 'set' | 'address'>[]): string {
  return elements.map(({ set, address }) => `delete element ${set} { ${address} }\n`).join('')
}

/** The networks of one family, without those inside another: a set of intervals takes no overlapping ones. */
export function disjointNetworks(networks: readonly Network[], isIPv4: boolean): Network[] {
  const own = networks.filter((network) => isIPv6Network(network) !== isIPv4)
  const kept: Network[] = []
  // In the order of their addresses each one comes behind those that hold it, and before what lies outside of these.
  for (const network of own.sort((a, b) => Buffer.compare(a.bytes, b.bytes) || a.bits - b.bits)) {
    const last = kept.at(-1)
    if (last === undefined || !networkHolds(last, network)) kept.push(network)
  }
  return kept
}
