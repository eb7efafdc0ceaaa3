/**
 * Keeps a sendmail access map in step, as the POPauthd of 2002 did: `access` = access.static + live entries, access.info beside it, and the
 * map itself by makemap. Manuals: makemap(8), cf/README "access_db". What sendmail sees at which moment: docs/sendmail-findings.md.
 */
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { SendmailAccessConfig } from '../../config/config.ts'
import type { AccessEntry } from '../../core/access-text.ts'
import type { TableChange } from '../../core/authorization.ts'
import type { ClientAddress, Network } from '../../core/client-address.ts'
import type { StaticEntries } from '../../core/static-entries.ts'
import { PublishError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { type FileIdentity, identityOf } from '../file-identity.ts'
import { makeMapDirectory } from '../map-directory.ts'
import { OutsideWatch } from '../outside-watch.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import { cannotWrite, removeStaged, replaceFile, type StagedFile, stageFile } from '../replace-file.ts'
import { slicesOf } from '../slices.ts'
import { relayLine, renderAccess } from './access-text-file.ts'
import { LiveEntries } from './live-entries.ts'
import { type MapChange, MapFile } from './map-file.ts'
import { readText, StaticFile } from './static-file.ts'

/** What the publisher needs. */
interface SendmailAccessOptions {
  readonly config: SendmailAccessConfig
  /** Networks that always may relay: written as prefix keys. */
  readonly always: readonly Network[]
  /** Prefix length that an IPv6 login opens; the address of an authorization is then the first of its network. */
  readonly ipv6Prefix: number
  /** popauthd's own directory: the map's directory is made where it is missing below it, and nowhere else. */
  readonly stateDirectory: string
  readonly clock: Clock
  /** True for addresses of which the table has a record, expired or not: a RELAY found for them is not taken for the operator's. */
  readonly isKnown: (address: ClientAddress) => boolean
  /** Tells the operator of entries that were moved, left out or restored. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
  /** Called whenever access.static has new content, before it is published: admission must judge by it. */
  readonly onStatic?: (entries: StaticEntries) => void
}

const NEW_TEXT = { mode: 0o640 }

/**
 * The sendmail map file publisher. The caller holds the lock of the state directory, so that the daemon and `popauthd prune` never run at
 * the same time. Any failure leaves the map as it was; the next call then makes everything anew.
 */
export class SendmailAccessPublisher implements Publisher {
  readonly name = 'sendmail_access'
  readonly needs: 'membership' | 'expiry'
  readonly #options: SendmailAccessOptions
  readonly #live: LiveEntries
  /** What `when_stopped: close` leaves: nobody. */
  readonly #nobody: LiveEntries
  readonly #map: MapFile
  readonly #static: StaticFile
  #watch: OutsideWatch | undefined
  /** Identities of text and static file as published; undefined: the files are not known to be in step. */
  #published: string | undefined
  #isCleaned = false
  #isBusy = false

  /** @throws {UsageError} where a network cannot be said in keys of an access map, or the map type cannot be kept in step */
  constructor(options: SendmailAccessOptions) {
    const { config, clock, always, ipv6Prefix, isKnown, notice } = options
    this.#options = options
    this.needs = config.writeInfo ? 'expiry' : 'membership'
    const live = { tagged: config.taggedKeys, writeInfo: config.writeInfo, always, ipv6Prefix }
    this.#live = new LiveEntries(live)
    this.#nobody = new LiveEntries({ ...live, always: [] })
    this.#map = new MapFile(config, clock)
    const isOwnKey = (key: string) => this.#live.holdsKey(key)
    this.#static = new StaticFile({ textPath: config.path, mapPath: this.#map.path, isKnown, isOwnKey, notice })
  }

  /** The entries of access.static as last read. */
  get staticEntries(): StaticEntries {
    return this.#live.staticEntries
  }

  /** Reads the static entries without writing anything: to be called before the first login is judged. @throws {PublishError} */
  async loadStatic(): Promise<void> {
    this.#takeStatic((await readText(this.#static.path)) ?? (await readText(this.#options.config.path)) ?? '')
  }

  setAlways(networks: readonly Network[]): void {
    this.#live.setAlways(networks)
    this.#published = undefined
  }

  /** Calls `onChange` when somebody else changed access, access.static or the map; `resync` then takes it in. Ends at dispose. */
  watch(onChange: () => void): void {
    const isTouched = async () => !this.#isBusy && this.#published !== undefined && !(await this.#isInStep())
    this.#watch ??= new OutsideWatch(dirname(this.#options.config.path), this.#options.clock, isTouched, onChange)
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#exclusively(async () => {
      const staticBefore = await identityOf(this.#static.path)
      if (this.#published === undefined || !(await this.#isInStep())) return this.#publishWhole(all, signal)
      this.#published = undefined
      const change = this.#live.apply(changes)
      if (change.add.length + change.remove.length > 0) await this.#publishChange(change, signal)
      if (changes.length > 0) await this.#writeInfo(this.#live)
      this.#published = await this.#identity(staticBefore)
    })
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#exclusively(() => this.#publishWhole(all, signal))
  }

  /** Leaves only the static entries in the map, for `when_stopped: close`. @throws {PublishError} */
  async closeAll(signal: AbortSignal): Promise<void> {
    await this.#exclusively(() => this.#publishWhole(() => [], signal, this.#nobody))
    this.#published = undefined
  }

  /**
   * Leaves only the static entries in the map, and the text that it is made of as it is: another publisher keeps that, for a map of another type.
   * @throws {PublishError}
   */
  async closeMapOnly(signal: AbortSignal): Promise<void> {
    const { path } = this.#map
    if (this.#map.inPlace)
      throw new PublishError(`cannot close ${path}: its command makes it of ${this.#options.config.path} only`, {
        retryable: true,
        mend: 'let the command take {map}',
      })
    this.#nobody.takeStatic((await readText(this.#static.path)) ?? '')
    const text = await stageFile(path, this.#render(this.#nobody), NEW_TEXT)
    try {
      await this.#map.build(text.path, signal)
      await this.#map.install()
    } finally {
      await this.#map.discard()
      await text.discard()
    }
  }

  async #exclusively(action: () => Promise<void>): Promise<void> {
    this.#isBusy = true
    try {
      await action()
    } finally {
      this.#isBusy = false
    }
  }

  async #publishWhole(all: WholeTable, signal: AbortSignal, live = this.#live): Promise<void> {
    this.#published = undefined
    signal.throwIfAborted()
    await this.#prepare()
    // Remembered before the reading: a change that comes after it is seen as one.
    const before = await identityOf(this.#static.path)
    const staticText = await this.#static.settle()
    this.#takeStatic(staticText)
    this.#nobody.takeStatic(staticText)
    await live.collect(slicesOf(all(), signal))
    await this.#writeAll(live, undefined, signal)
    await this.#writeInfo(live)
    const after = await identityOf(this.#static.path)
    const isStaticSame = before === after || staticText === (await readText(this.#static.path))
    this.#published = await this.#identity(isStaticSame ? after : before)
  }

  async #prepare(): Promise<void> {
    const { path } = this.#options.config
    try {
      await makeMapDirectory(dirname(path), this.#options.stateDirectory)
      await access(dirname(path))
    } catch (error) {
      throw cannotWrite(path, error)
    }
    if (this.#isCleaned) return
    await this.#map.cleanUp()
    for (const file of [path, this.#static.path, this.#static.infoPath]) await removeStaged(file)
    this.#isCleaned = true
  }

  #takeStatic(text: string): void {
    if (this.#live.takeStatic(text)) this.#options.onStatic?.(this.#live.staticEntries)
  }

  async #publishChange(change: MapChange, signal: AbortSignal): Promise<void> {
    const touchesStatic = [...change.add, ...change.remove].some((key) => this.#live.isStaticKey(key))
    const lines = { add: change.add.map(relayLine), remove: change.remove }
    const isCheaper = !touchesStatic && (await this.#map.prefersChange(lines, this.#live.size))
    await this.#writeAll(this.#live, isCheaper ? lines : undefined, signal)
  }

  // Text and map are both made first, and only then put in force one after the other, so that a failure changes neither.
  async #writeAll(live: LiveEntries, change: MapChange | undefined, signal: AbortSignal): Promise<void> {
    const text = await stageFile(this.#options.config.path, this.#render(live), NEW_TEXT)
    try {
      if (this.#map.inPlace) await text.commit()
      await this.#makeMap(change, text, signal)
      await this.#map.install()
      if (!this.#map.inPlace) await text.commit()
    } catch (error) {
      await this.#map.discard()
      await text.discard()
      throw error
    }
  }

  #render(live: LiveEntries): Iterable<string> {
    const isReplaced = ({ key, value }: AccessEntry) => /^ok$/i.test(value) && live.holdsKey(key)
    const staticPath = this.#static.path
    return renderAccess({ staticPath, staticText: live.staticText, keys: live.keys(), isReplaced })
  }

  async #makeMap(change: MapChange | undefined, text: StagedFile, signal: AbortSignal): Promise<void> {
    // A map that cannot be changed may still be built anew.
    if (change !== undefined && (await this.#map.change(change, signal))) return
    signal.throwIfAborted()
    await this.#map.build(this.#map.inPlace ? this.#options.config.path : text.path, signal)
  }

  async #writeInfo(live: LiveEntries): Promise<void> {
    if (this.#options.config.writeInfo) await replaceFile(this.#static.infoPath, live.info(), NEW_TEXT)
  }

  /** With the static file as it was read: one that was edited meanwhile is not in step, and the watch sees it. */
  async #identity(staticFile: FileIdentity): Promise<string> {
    return [await identityOf(this.#options.config.path), staticFile].join(' ')
  }

  async #isInStep(): Promise<boolean> {
    const now = await this.#identity(await identityOf(this.#static.path))
    return this.#published === now && (await this.#map.isUntouched())
  }

  /** Ends the watch and lets go of replaced maps. The map stays as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.close()
    this.#watch = undefined
    await this.#map.close()
  }
}
