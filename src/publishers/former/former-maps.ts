/**
 * Maps that have left the configuration: nobody would take out of them whom they last held. Which maps there are is noted before any is published;
 * what is noted and no longer configured is closed, and then forgotten.
 */
import type { Config } from '../../config/config.ts'
import { PublishError, reasonAndMend } from '../../errors.ts'
import { otherOwnerOf } from '../../lib/directory-owner.ts'
import { type PublisherParts, publishersFor } from '../for-config.ts'
import { type KeptMap, keptMapsPath, mapsOf, readKeptMaps, textOfMap, writeKeptMaps } from './kept-maps-file.ts'
import { filesLeft, isMissing, placesKept, placesOf } from './map-places.ts'

/** How closing one of them went. `problem`: it may still let in whom it last held; why, and what to do. */
export interface FormerMapResult {
  readonly name: string
  readonly problem?: string
}

/** What it needs: what publishers do, but for admission, which no longer heeds them. */
export type FormerMapsParts = Omit<PublisherParts, 'onStatic' | 'spares'>

/** The former maps of one configuration. The caller holds the lock of the state directory; calls never overlap. */
export class FormerMaps {
  readonly #config: Config
  readonly #parts: FormerMapsParts
  readonly #file: string
  readonly #kept: readonly KeptMap[]
  /** What is noted and not configured, the oldest first; undefined: not read yet. */
  #former: readonly KeptMap[] | undefined

  constructor(config: Config, parts: FormerMapsParts) {
    this.#config = config
    this.#parts = parts
    this.#file = keptMapsPath(config.stateDirectory)
    this.#kept = mapsOf(config)
  }

  /** Notes which maps there are: to be called before any of them is published. Does nothing where that is done. @throws {TableError} */
  async note(): Promise<void> {
    if (this.#former !== undefined) return
    const noted = await readKeptMaps(this.#file)
    const kept = new Set(this.#kept.map(textOfMap))
    const former = noted.filter((map) => !kept.has(textOfMap(map)))
    if (noted.length !== former.length + kept.size) await this.#write(former)
    this.#former = former
  }

  /**
   * Closes what is no longer configured, all at a time: one that hangs keeps no other open. What could not be closed stays noted. What another
   * map has taken the place of, and what is no longer there, is forgotten without a word. @throws {TableError} where that cannot be noted
   */
  async close(signal: AbortSignal): Promise<readonly FormerMapResult[]> {
    await this.note()
    const former = this.#former ?? []
    const refusal = this.#refusalForRoot()
    // Asking where a map lies may run Postfix's tools, by the name that was noted.
    const heeded = refusal === undefined ? former : []
    const results = await Promise.all(
      former.map((map, at) => this.#closeOne(map, [...heeded.slice(at + 1), ...this.#kept], signal, refusal)),
    )
    const left = former.filter((_, at) => results[at]?.problem !== undefined)
    if (left.length < former.length) {
      await this.#write(left)
      this.#former = left
    }
    return results.filter((result) => result !== undefined)
  }

  #write(former: readonly KeptMap[]): Promise<void> {
    return writeKeptMaps(this.#file, [...former, ...this.#kept])
  }

  async #closeOne(
    map: KeptMap,
    others: readonly KeptMap[],
    signal: AbortSignal,
    refusal: PublishError | undefined,
  ): Promise<FormerMapResult | undefined> {
    const kept = await placesKept(others, signal)
    const files = await filesLeft(map, kept)
    const isTaken = async () => (await placesOf(map, signal)).every((place) => kept.has(place))
    try {
      const isOver = 'path' in map ? (await Promise.all(files.map(isMissing))).every(Boolean) : await isTaken()
      if (isOver) return undefined
      if (refusal !== undefined) throw refusal
      if (await isTaken()) return undefined
      await this.#closeIn(map, kept, signal)
      return { name: nameOf(map) }
    } catch (error) {
      return { name: nameOf(map), problem: `${reasonAndMend(error)}; ${this.#wayOut(files)}` }
    }
  }

  /** The file belongs to whom the directory belongs to. Root runs no program and replaces no file on the word of another. */
  #refusalForRoot(): PublishError | undefined {
    const { stateDirectory } = this.#config
    const owner = otherOwnerOf(stateDirectory)
    if (owner === undefined) return undefined
    return new PublishError(`root does not close it on the word of user ${owner.uid}, who owns ${stateDirectory}`, {
      retryable: true,
      mend: 'run popauthd as that user; where root is to run the daemon, give the directory to root',
    })
  }

  async #closeIn(map: KeptMap, kept: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const spares = (place: string) => kept.has(place)
    const { all, sendmail } = publishersFor(configOf(map, this.#config), { ...this.#parts, spares })
    try {
      if (sendmail !== undefined && 'path' in map && kept.has(map.path)) await sendmail.closeMapOnly(signal)
      else for (const { publisher } of all) await publisher.closeAll(signal)
    } finally {
      for (const { publisher } of all) await publisher[Symbol.asyncDispose]()
    }
  }

  #wayOut(files: readonly string[]): string {
    if (files.length > 0) return `or delete ${files.join(' and ')}: it is forgotten then`
    return `or, where nothing is left of it, stop popauthd and take it out of ${this.#file}`
  }
}

/** A configuration that keeps this map alone. It opens nothing, so that every format can say it. */
function configOf(map: KeptMap, config: Config): Config {
  const admission = { ...config.admission, always: [], ipv6Prefix: 128 }
  if (map.format !== 'sendmail_access')
    return { ...config, admission, sendmailAccess: { ...config.sendmailAccess, enabled: false }, maps: [map] }
  const { format: _, ...access } = map
  return { ...config, admission, sendmailAccess: { ...access, enabled: true }, maps: [] }
}

/** As its publisher is called. */
function nameOf(map: KeptMap): string {
  if (map.format === 'sendmail_access') return `sendmail_access ${map.path}`
  if (map.format === 'command') return `command ${map.command[0]}`
  return `${map.format} ${'path' in map ? map.path : map.table}`
}
