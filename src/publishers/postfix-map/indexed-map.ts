/**
 * A Postfix table that postmap makes: lmdb, hash or btree. An lmdb file is changed in place, by postmap's own transactions: open SMTP sessions
 * see that at once. A hash or btree file is changed beside and renamed, as Postfix's DATABASE_README asks for. A table that is made
 * anew is always renamed: smtpd notices before its next client; an open session keeps the old file.
 */
import { access, constants, copyFile, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { TableChange } from '../../core/authorization.ts'
import { type ClientAddress, type Network, networkContains } from '../../core/client-address.ts'
import { PublishError } from '../../errors.ts'
import { syncDirectory } from '../../lib/atomic-file.ts'
import type { Clock } from '../../lib/clock.ts'
import { type FileIdentity, identityOf } from '../file-identity.ts'
import { makeMapDirectory } from '../map-directory.ts'
import { OutsideWatch } from '../outside-watch.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import { cannotWrite, type FileRights, keepRights, realTarget, stageFile } from '../replace-file.ts'
import { slicesOf } from '../slices.ts'
import { countOfNetwork, keyOfAddress, keySlices, PERMIT } from './format.ts'
import { type PostfixMapType, type PostfixTools, SUFFIXES } from './postfix-tools.ts'

/** What the publisher of one table needs. */
export interface IndexedMapOptions {
  readonly name: string
  readonly type: Exclude<PostfixMapType, 'cdb'>
  /** The table as main.cf names it: without its suffix. */
  readonly basePath: string
  readonly rights: FileRights
  readonly stateDirectory: string
  readonly tools: PostfixTools
  readonly clock: Clock
}

/** Keys to be added and removed. */
interface KeyChange {
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

const TOOL_MS = 10
/** So long may a change in place take where making the table anew would be quicker: open sessions see it. */
const IN_PLACE_WORTH_MS = 500
/** Where nothing was measured yet: each change of an lmdb file waits for the disk. */
const COSTS = { changeMs: 1, entryMs: 0.005 }
/** Runs that change less tell more of starting a program than of its work. */
const LEAST_TO_MEASURE = 50

/** The publisher. Any failure leaves the table as it was; the next call then makes everything anew. */
export class IndexedMap implements Publisher {
  readonly name: string
  readonly needs = 'membership'
  readonly path: string
  readonly #options: IndexedMapOptions
  #always: readonly Network[] = []
  /** The table as published; undefined: it is not known to be in step. */
  #published: FileIdentity | undefined
  /** Entries in the table, about. */
  #entries = 0
  #costs = COSTS
  #watch: OutsideWatch | undefined
  #isBusy = false

  constructor(options: IndexedMapOptions) {
    this.name = options.name
    this.path = options.basePath + SUFFIXES[options.type]
    this.#options = options
  }

  setAlways(networks: readonly Network[]): void {
    networks.forEach(countOfNetwork)
    this.#always = networks
    this.#published = undefined
  }

  watch(onChange: () => void): void {
    const isTouched = async () => !this.#isBusy && this.#published !== undefined && !(await this.#isInStep())
    this.#watch ??= new OutsideWatch(dirname(this.path), this.#options.clock, isTouched, onChange)
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#exclusively(async () => {
      if (!(await this.#isInStep())) return this.#publishWhole(all, this.#always, signal)
      const change = this.#keysOf(changes)
      if (change.add.length + change.remove.length === 0) return
      this.#published = undefined
      if (!this.#prefersChange(change) || !(await this.#change(change, signal)))
        await this.#publishWhole(all, this.#always, signal)
    })
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#exclusively(() => this.#publishWhole(all, this.#always, signal))
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    await this.#exclusively(() => this.#publishWhole(() => [], [], signal))
    this.#published = undefined
  }

  async #exclusively(action: () => Promise<void>): Promise<void> {
    this.#isBusy = true
    try {
      await action()
    } finally {
      this.#isBusy = false
    }
  }

  async #isInStep(): Promise<boolean> {
    return this.#published !== undefined && this.#published === (await identityOf(this.path))
  }

  // The latest change of an address counts. What is always open stays in the table.
  #keysOf(changes: readonly TableChange[]): KeyChange {
    const isOpen = new Map<ClientAddress, boolean>()
    for (const { address, kind } of changes) {
      if (!this.#always.some((network) => networkContains(network, address))) isOpen.set(address, kind !== 'ended')
    }
    const keys = (wanted: boolean) =>
      [...isOpen].filter(([, open]) => open === wanted).map(([address]) => keyOfAddress(address))
    return { add: keys(true), remove: keys(false) }
  }

  #prefersChange({ add, remove }: KeyChange): boolean {
    const tools = Number(add.length > 0) + Number(remove.length > 0)
    const { changeMs, entryMs } = this.#costs
    const worthMs = this.#options.type === 'lmdb' ? IN_PLACE_WORTH_MS : TOOL_MS
    return tools * TOOL_MS + (add.length + remove.length) * changeMs < worthMs + TOOL_MS + this.#entries * entryMs
  }

  /** False where that did not work, and the table must be made anew. */
  async #change(change: KeyChange, signal: AbortSignal): Promise<boolean> {
    const { clock, type } = this.#options
    const startMs = clock.elapsedMs()
    const count = change.add.length + change.remove.length
    try {
      const target = await this.#target()
      if (type !== 'lmdb') await this.#changeBeside(target, change, signal)
      // postmap takes names without suffix: where a link leads to a file that has none, it would change another one.
      else if (target.endsWith(SUFFIXES[type])) await this.#edit(target, change, signal)
      else return false
    } catch (error) {
      if (signal.aborted) throw error
      return false
    }
    if (count >= LEAST_TO_MEASURE) this.#costs = { ...this.#costs, changeMs: (clock.elapsedMs() - startMs) / count }
    this.#entries += change.add.length - change.remove.length
    this.#published = await identityOf(this.path)
    return true
  }

  async #edit(path: string, { add, remove }: KeyChange, signal: AbortSignal): Promise<void> {
    const { tools, type } = this.#options
    const base = path.slice(0, -SUFFIXES[type].length)
    // Doors are closed before others are opened.
    if (remove.length > 0) await tools.remove(type, base, linesOf(remove, ''), signal)
    if (add.length > 0) await tools.insert(type, base, linesOf(add, `\t${PERMIT}`), signal)
  }

  async #changeBeside(target: string, change: KeyChange, signal: AbortSignal): Promise<void> {
    const made = this.#madeFor(target)
    try {
      await unlink(made).catch(() => {})
      await copyFile(target, made, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      await this.#edit(made, change, signal)
      await this.#install(made, target, signal)
    } finally {
      await unlink(made).catch(() => {})
    }
  }

  async #publishWhole(all: WholeTable, always: readonly Network[], signal: AbortSignal): Promise<void> {
    this.#published = undefined
    signal.throwIfAborted()
    const { clock } = this.#options
    await this.#prepare()
    const startMs = clock.elapsedMs()
    const target = await this.#target()
    const text = await stageFile(target, this.#text(all, always, signal), this.#options.rights)
    const made = this.#madeFor(target)
    try {
      await unlink(made).catch(() => {})
      await this.#options.tools.build(this.#options.type, text.path, signal)
      await this.#install(made, target, signal)
    } finally {
      await text.discard()
      await unlink(made).catch(() => {})
    }
    if (this.#entries >= LEAST_TO_MEASURE)
      this.#costs = { ...this.#costs, entryMs: (clock.elapsedMs() - startMs) / this.#entries }
    this.#published = await identityOf(this.path)
  }

  async #prepare(): Promise<void> {
    const directory = dirname(this.path)
    try {
      await makeMapDirectory(directory, this.#options.stateDirectory)
      await access(directory)
    } catch (error) {
      throw cannotWrite(this.path, error)
    }
  }

  async *#text(all: WholeTable, always: readonly Network[], signal: AbortSignal): AsyncGenerator<string> {
    this.#entries = 0
    for await (const keys of keySlices(slicesOf(all(), signal), always)) {
      this.#entries += keys.length
      yield linesOf(keys, `\t${PERMIT}`)
    }
  }

  #target(): Promise<string> {
    return realTarget(this.path)
  }

  /** Where postmap puts the table that it makes of the staged text. */
  #madeFor(target: string): string {
    return `${target}.popauthd-new${SUFFIXES[this.#options.type]}`
  }

  async #install(made: string, target: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    try {
      const file = await open(made, constants.O_RDONLY | constants.O_NOFOLLOW)
      try {
        await keepRights(file, target, this.#options.rights)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(made, target)
      await syncDirectory(dirname(target))
    } catch (error) {
      throw error instanceof PublishError ? error : this.#notInstalled(made, error)
    }
  }

  #notInstalled(made: string, error: unknown): PublishError {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return cannotWrite(this.path, error)
    return new PublishError(`postmap made no ${made} of type ${this.#options.type}`, {
      retryable: true,
      mend: 'a Postfix without Berkeley DB may make another type in its place: set map_type of this map to lmdb',
      cause: error,
    })
  }

  /** Ends the watch. The table stays as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.close()
    this.#watch = undefined
  }
}

const linesOf = (keys: readonly string[], rest: string) => keys.map((key) => `${key}${rest}\n`).join('')
