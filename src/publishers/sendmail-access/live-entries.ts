/** Who may relay now, as keys of the access map and lines of access.info. In memory; no I/O. */
import { type AccessEntry, foldKey, scopeOfKey } from '../../core/access-text.ts'
import type { Authorization, TableChange } from '../../core/authorization.ts'
import {
  type ClientAddress,
  isIPv4Address,
  type Network,
  networkOfLogin,
  parseClientAddress,
} from '../../core/client-address.ts'
import { StaticEntries } from '../../core/static-entries.ts'
import { UsageError } from '../../errors.ts'
import { entriesByKey } from './access-text-file.ts'
import { infoUser, keyOfAddress, keysOfNetwork, renderInfoLine } from './format.ts'
import type { MapChange } from './map-file.ts'

/** How keys are written. */
interface LiveOptions {
  readonly tagged: boolean
  readonly writeInfo: boolean
  /** Networks that always may relay: written as prefix keys. */
  readonly always: readonly Network[]
  /** Prefix length that an IPv6 login opens. */
  readonly ipv6Prefix: number
}

const PIECE_CHARACTERS = 65_536

/** The live entries of one map, judged by its static ones: what a static entry other than RELAY or OK covers has no key. */
export class LiveEntries {
  readonly #options: LiveOptions
  #alwaysKeys: readonly string[] = []
  /** Of these keys, those that no static entry closes as a whole. */
  #always: ReadonlySet<string> = new Set()
  #alwaysFolded: ReadonlySet<string> = new Set()
  /** Each address with its lines of access.info. */
  #live = new Map<ClientAddress, string>()
  #staticText = ''
  #staticEntries = StaticEntries.none
  #staticByKey = new Map<string, AccessEntry>()

  /** @throws {UsageError} where a network cannot be said in keys of an access map */
  constructor(options: LiveOptions) {
    this.#options = options
    this.setAlways(options.always)
    keysOrThrow(networkOfLogin('2001:db8::' as ClientAddress, options.ipv6Prefix), options.tagged)
  }

  get staticText(): string {
    return this.#staticText
  }

  get staticEntries(): StaticEntries {
    return this.#staticEntries
  }

  /** Entries in the map, static ones included, about. */
  get size(): number {
    return this.#live.size + this.#staticByKey.size
  }

  /** Takes other networks that always may relay. @throws {UsageError} where one cannot be said in keys; nothing changes then */
  setAlways(networks: readonly Network[]): void {
    this.#alwaysKeys = networks.flatMap((network) => keysOrThrow(network, this.#options.tagged))
    this.#openAlways()
  }

  // A static entry for less than the key stays beside it in the map, and is found first.
  #openAlways(): void {
    const keys = this.#alwaysKeys.filter((key) => {
      const scope = scopeOfKey(key)
      return scope !== undefined && this.#staticEntries.vetoForAll(scope) === undefined
    })
    this.#always = new Set(keys)
    this.#alwaysFolded = new Set(keys.map(foldKey))
  }

  /** Takes the text of access.static; true where it is another one than before. */
  takeStatic(text: string): boolean {
    if (text === this.#staticText) return false
    this.#staticText = text
    this.#staticEntries = new StaticEntries(text)
    this.#staticByKey = entriesByKey(text)
    this.#openAlways()
    return true
  }

  /** Begins anew with the whole table; changes made meanwhile must be applied afterwards. @throws what `slices` throws */
  async collect(slices: AsyncIterable<readonly Authorization[]>): Promise<void> {
    this.#live = new Map()
    for await (const slice of slices)
      for (const { address, users } of slice) {
        const lines = users
          .filter(({ refused }) => !refused)
          .map(({ user, lastMs }) => this.#infoLine(user, address, lastMs))
        this.#live.set(address, lines.join(''))
      }
  }

  /** Applies changes in their order; the keys that come and go by them. */
  apply(changes: readonly TableChange[]): MapChange {
    const before = new Map<ClientAddress, boolean>()
    for (const change of changes) {
      if (!before.has(change.address)) before.set(change.address, this.#live.has(change.address))
      if (change.kind === 'ended') this.#live.delete(change.address)
      else this.#live.set(change.address, this.#infoWith(change))
    }
    const moved = [...before.keys()].filter((address) => before.get(address) !== this.#live.has(address))
    const keysOf = (isLive: boolean) =>
      moved.filter((address) => this.#live.has(address) === isLive).flatMap((address) => this.#keysOf(address))
    return { add: keysOf(true), remove: keysOf(false) }
  }

  /** All keys to be written with RELAY, none twice. */
  *keys(): Generator<string> {
    for (const key of this.#always) if (this.#staticValue(key) !== 'relay') yield key
    for (const address of this.#live.keys()) yield* this.#keysOf(address)
  }

  /** True where access.static has an entry with this very key. */
  isStaticKey(key: string): boolean {
    return this.#staticByKey.has(foldKey(key))
  }

  /** True for a key that `keys` holds. */
  holdsKey(key: string): boolean {
    const folded = foldKey(key)
    if (this.#alwaysFolded.has(folded)) return true
    const first = firstAddressOf(key)
    return first !== undefined && this.#live.has(first) && this.#keysOf(first).some((own) => foldKey(own) === folded)
  }

  /** access.info in pieces. */
  *info(): Generator<string> {
    let piece = ''
    for (const lines of this.#live.values()) {
      piece += lines
      if (piece.length < PIECE_CHARACTERS) continue
      yield piece
      piece = ''
    }
    yield piece
  }

  // A key that is there already, as static RELAY or always, needs no second line; a static OK gives way to RELAY, which says more.
  #keysOf(address: ClientAddress): string[] {
    const prefixLength = isIPv4Address(address) ? 128 : this.#options.ipv6Prefix
    if (this.#staticEntries.vetoFor(address, prefixLength) !== undefined) return []
    const keys = prefixLength < 128 ? this.#networkKeys(address) : [this.#addressKey(address)]
    return keys.filter((key) => !this.#alwaysFolded.has(foldKey(key)) && this.#staticValue(key) !== 'relay')
  }

  #networkKeys(address: ClientAddress): string[] {
    return keysOrThrow(networkOfLogin(address, this.#options.ipv6Prefix), this.#options.tagged)
  }

  // sendmail asks for the tagged key first: where that says OK, an untagged RELAY would go unheard.
  #addressKey(address: ClientAddress): string {
    const tagged = keyOfAddress(address, true)
    return this.#options.tagged || this.isStaticKey(tagged) ? tagged : keyOfAddress(address, false)
  }

  #staticValue(key: string): string | undefined {
    return this.#staticByKey.get(foldKey(key))?.value.toLowerCase()
  }

  #infoWith({ address, user, atMs, loginMs = atMs }: TableChange): string {
    const lines = this.#live.get(address) ?? ''
    if (user === undefined || !this.#options.writeInfo) return lines
    const name = `\t${asBytes(infoUser(user))}\t`
    const others = lines.split('\n').filter((line) => line !== '' && !line.includes(name))
    return others.map((line) => `${line}\n`).join('') + this.#infoLine(user, address, loginMs)
  }

  #infoLine(user: string, address: ClientAddress, atMs: number): string {
    return this.#options.writeInfo ? asBytes(renderInfoLine(user, address, atMs)) : ''
  }
}

/** The first address of the clients that a key is about. */
function firstAddressOf(key: string): ClientAddress | undefined {
  const scope = scopeOfKey(key)
  if (scope === undefined) return undefined
  const isV4 = scope.family === 4
  const parts = [...scope.parts, ...new Array<number>((isV4 ? 4 : 8) - scope.parts.length).fill(0)]
  return parseClientAddress(isV4 ? parts.join('.') : parts.map((word) => word.toString(16)).join(':'))
}

// Files are read and written byte by byte (Latin-1), so that no byte of the operator's is lost; names of users stay UTF-8.
function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function keysOrThrow(network: Network, tagged: boolean): string[] {
  const rendered = keysOfNetwork(network, tagged)
  if ('keys' in rendered) return rendered.keys
  throw new UsageError(`cannot write ${network.text} into the sendmail access map: ${rendered.problem}`)
}
