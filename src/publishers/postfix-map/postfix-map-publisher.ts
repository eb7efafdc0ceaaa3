/** Keeps a Postfix lookup table in step: a cdb that popauthd writes itself, or another type through postmap. postmap(1), access(5), lmdb_table(5). */
import type { TableChange } from '../../core/authorization.ts'
import type { Network } from '../../core/client-address.ts'
import type { Clock } from '../../lib/clock.ts'
import { FilePublisher } from '../file-publisher.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import type { FileRights } from '../replace-file.ts'
import { countOfNetwork, postfixCdbFormat, requireWholeAddresses } from './format.ts'
import { IndexedMap } from './indexed-map.ts'
import { type PostfixMapType, PostfixTools, SUFFIXES } from './postfix-tools.ts'

/** What the publisher needs. */
export interface PostfixMapOptions {
  /** The table as main.cf names it: without its suffix. */
  readonly path: string
  /** undefined: what Postfix says is its default, asked at the first publish. */
  readonly mapType: PostfixMapType | undefined
  /** postmap, with options. */
  readonly command: readonly string[]
  readonly rights: FileRights
  readonly ipv6Prefix: number
  readonly stateDirectory: string
  readonly clock: Clock
}

/** The publisher: settles the type, then hands on to that of its kind. */
export class PostfixMapPublisher implements Publisher {
  readonly name: string
  readonly needs = 'membership'
  readonly #options: PostfixMapOptions
  readonly #tools: PostfixTools
  #always: readonly Network[] = []
  #map: Publisher | undefined
  #onChange: (() => void) | undefined

  /** @throws {UsageError} where logins open more than whole addresses */
  constructor(options: PostfixMapOptions) {
    requireWholeAddresses(options.ipv6Prefix)
    this.name = `postfix ${options.path}`
    this.#options = options
    this.#tools = new PostfixTools(options.command)
  }

  setAlways(networks: readonly Network[]): void {
    networks.forEach(countOfNetwork)
    this.#always = networks
    this.#map?.setAlways(networks)
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange
    this.#map?.watch?.(onChange)
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    await (await this.#settled(signal)).publish(changes, all, signal)
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    await (await this.#settled(signal)).resync(all, signal)
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    await (await this.#settled(signal)).closeAll(signal)
  }

  async #settled(signal: AbortSignal): Promise<Publisher> {
    if (this.#map !== undefined) return this.#map
    const type = this.#options.mapType ?? (await this.#tools.defaultType(signal))
    // popauthd needs no Postfix to write a cdb: what reads it may run elsewhere.
    if (type !== 'cdb') await this.#tools.require(type, signal)
    const map = this.#make(type)
    map.setAlways(this.#always)
    if (this.#onChange !== undefined) map.watch?.(this.#onChange)
    this.#map = map
    return map
  }

  #make(type: PostfixMapType): Publisher {
    const { path, rights, stateDirectory, clock } = this.#options
    const common = { name: this.name, rights, stateDirectory, clock }
    if (type === 'cdb') return new FilePublisher({ ...common, path: path + SUFFIXES.cdb, format: postfixCdbFormat() })
    return new IndexedMap({ ...common, type, basePath: path, tools: this.#tools })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onChange = undefined
    await this.#map?.[Symbol.asyncDispose]()
  }
}
