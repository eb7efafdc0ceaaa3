/** Which addresses a static access map entry closes to logins: any entry other than RELAY or OK, for the address or a prefix of it. */
import { type AccessEntry, type KeyScope, parseAccessText, partsOfAddress, permits, scopeOfKey } from './access-text.ts'
import {
  addressFromBytes,
  type ClientAddress,
  isIPv4Address,
  type Network,
  networkContains,
  networkHolds,
  networkOf,
  networksOverlap,
} from './client-address.ts'

/** The static entry that keeps a login from opening an address. */
export interface Veto {
  /** Key and value as written, for instance `66.66.66 REJECT`. */
  readonly entry: string
  /** 1-based line in the static file. */
  readonly line: number
}

/** The refusing entries of one `access.static`. Immutable: a changed file makes a new one. Costs a handful of map look-ups a question. */
export class StaticEntries {
  static readonly none = new StaticEntries('')
  readonly #prefixes = new Map<string, Veto>()
  /** Those written as ADDRESS/LENGTH. */
  readonly #networks: { readonly network: Network; readonly veto: Veto }[] = []
  readonly #all: Network[] = []

  /** `text`: the whole of access.static. Lines that makemap would refuse count too: what they mean is clear enough to refuse a login. */
  constructor(text: string) {
    for (const { entry } of parseAccessText(text)) if (entry !== undefined && !permits(entry.value)) this.#add(entry)
  }

  /** All about IPv6, for questions about a network. */
  readonly #v6: { readonly network: Network; readonly veto: Veto }[] = []

  #add(entry: AccessEntry): void {
    const scope = scopeOfKey(entry.key)
    if (scope === undefined) return
    const veto = { entry: `${entry.key} ${entry.value}`, line: entry.line }
    const network = networkOfScope(scope)
    this.#all.push(network)
    if (scope.prefixLength !== undefined) this.#networks.push({ network, veto })
    else this.#remember(`${scope.family}/${scope.parts.join('.')}`, veto)
    if (scope.family === 6) this.#v6.push({ network, veto })
  }

  /** All that the entries refuse. */
  get networks(): readonly Network[] {
    return this.#all
  }

  #remember(key: string, veto: Veto): void {
    if (!this.#prefixes.has(key)) this.#prefixes.set(key, veto)
  }

  /**
   * The entry that closes `address`, the most specific one first, or undefined where none does. With an IPv6 `prefixLength` below 128 it is
   * asked for the whole network that `address` starts: an entry inside it counts too.
   */
  vetoFor(address: ClientAddress, prefixLength = 128): Veto | undefined {
    if (this.#prefixes.size + this.#networks.length + this.#v6.length === 0) return undefined
    const family = isIPv4Address(address) ? 4 : 6
    const around = this.#around(family, partsOfAddress(address), (network) => networkContains(network, address))
    if (around !== undefined || family === 4 || prefixLength >= 128) return around
    const asked = networkOf(address, prefixLength)
    return this.#v6.find(({ network }) => networksOverlap(asked, network))?.veto
  }

  /** The entry that closes everybody whom a key is about. */
  vetoForAll(scope: KeyScope): Veto | undefined {
    const asked = networkOfScope(scope)
    return this.#around(scope.family, scope.parts, (network) => networkHolds(network, asked))
  }

  #around(family: 4 | 6, parts: readonly number[], isAround: (network: Network) => boolean): Veto | undefined {
    for (let length = parts.length; length > 0; length--) {
      const veto = this.#prefixes.get(`${family}/${parts.slice(0, length).join('.')}`)
      if (veto !== undefined) return veto
    }
    return this.#networks.find(({ network }) => isAround(network))?.veto
  }
}

/** The network of all clients that a key is about. */
export function networkOfScope({ family, parts, prefixLength }: KeyScope): Network {
  const bytes = new Uint8Array(16)
  if (family === 4) bytes.set([0xff, 0xff, ...parts], 10)
  else for (const [i, word] of parts.entries()) bytes.set([word >> 8, word & 0xff], i * 2)
  return networkOf(addressFromBytes(bytes), prefixLength ?? parts.length * (family === 4 ? 8 : 16))
}
