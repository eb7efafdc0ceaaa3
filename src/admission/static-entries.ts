/** Which addresses a static access map entry closes to logins: any entry other than RELAY or OK, for the address or a prefix of it. */
import {
  type AccessEntry,
  type KeyScope,
  parseAccessText,
  partsOfAddress,
  permits,
  scopeOfKey,
} from '../core/access-text.ts'
import {
  type ClientAddress,
  isIPv4Address,
  type Network,
  networkContains,
  networkOf,
  parseClientAddress,
} from '../core/client-address.ts'

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
  readonly #networks: { readonly network: Network; readonly veto: Veto }[] = []

  /** `text`: the whole of access.static. Lines that makemap would refuse count too: what they mean is clear enough to refuse a login. */
  constructor(text: string) {
    for (const { entry } of parseAccessText(text)) if (entry !== undefined && !permits(entry.value)) this.#add(entry)
  }

  #add(entry: AccessEntry): void {
    const scope = scopeOfKey(entry.key)
    if (scope === undefined) return
    const veto = { entry: `${entry.key} ${entry.value}`, line: entry.line }
    const network = networkOfScope(scope)
    if (network !== undefined) this.#networks.push({ network, veto })
    else this.#remember(`${scope.family}/${scope.parts.join('.')}`, veto)
  }

  #remember(key: string, veto: Veto): void {
    if (!this.#prefixes.has(key)) this.#prefixes.set(key, veto)
  }

  /** The entry that closes `address`, the most specific one first, or undefined where none does. */
  vetoFor(address: ClientAddress): Veto | undefined {
    const family = isIPv4Address(address) ? 4 : 6
    const parts = partsOfAddress(address)
    for (let length = parts.length; length > 0; length--) {
      const veto = this.#prefixes.get(`${family}/${parts.slice(0, length).join('.')}`)
      if (veto !== undefined) return veto
    }
    return this.#networks.find(({ network }) => networkContains(network, address))?.veto
  }
}

function networkOfScope(scope: KeyScope): Network | undefined {
  if (scope.prefixLength === undefined) return undefined
  const whole = scope.family === 4 ? 4 : 8
  const parts = [...scope.parts, ...new Array<number>(whole - scope.parts.length).fill(0)]
  const text = scope.family === 4 ? parts.join('.') : parts.map((word) => word.toString(16)).join(':')
  const address = parseClientAddress(text)
  return address === undefined ? undefined : networkOf(address, scope.prefixLength)
}
