/** Keeps one file equal to the table: written as a whole beside the old one and renamed over it. What stands in it is its format's. */
import { access, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Authorization, TableChange } from '../core/authorization.ts'
import type { Network } from '../core/client-address.ts'
import { PublishError, reasonOf } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { identityOf } from './file-identity.ts'
import { makeMapDirectory } from './map-directory.ts'
import { OutsideWatch } from './outside-watch.ts'
import type { OwnFiles } from './own-files.ts'
import type { Publisher, WholeTable } from './publisher.ts'
import { cannotWrite, type FileRights, type StagedFile, stageFile } from './replace-file.ts'
import { slicesOf } from './slices.ts'

/** What a file says of the table. Pure: from values to the file's content. */
export interface FileFormat {
  readonly needs: Publisher['needs']
  /**
   * The whole file, in pieces: text (each character a byte: Latin-1) or bytes. `slices` are the authorizations, some at a time;
   * `always` the networks that may relay without a login.
   */
  render(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]): AsyncIterable<string | Buffer>
  /** @throws {UsageError} where the file has no way to say one of the networks */
  check(always: readonly Network[]): void
  /** Of a file with inputs. */
  readonly inputs?: FileInputs
}

/** What a file is made of besides the table, where it cannot be made without. */
export interface FileInputs {
  /** Reads them, for the `render` that follows. @throws {PublishError} where that cannot be, and what they said before is not known */
  load(): Promise<void>
  /** Why older ones than there are now are in force; undefined where they are not. */
  readonly trouble: string | undefined
  /**
   * What to put in place of `earlier` (undefined: there is no file) where they cannot be loaded, so that it opens nothing for logins of an earlier
   * run, nor for `always`, and otherwise does what it did. Undefined: leave it as it is.
   */
  withoutLogins(earlier: Buffer | undefined, always: readonly Network[]): AsyncIterable<string | Buffer> | undefined
}

/** What a file publisher needs. */
export interface FilePublisherOptions {
  /** For people: the format and the path. */
  readonly name: string
  readonly path: string
  /** Rights of a file that is not there yet; those of one that is are kept. */
  readonly rights: FileRights
  readonly format: FileFormat
  /** popauthd's own directory: directories are made below it, and nowhere else. */
  readonly stateDirectory: string
  readonly clock: Clock
  /** What makes the MTA take the new file where a rename is not enough. Also run where only it failed the last time. @throws {PublishError} */
  readonly afterwards?: (signal: AbortSignal) => Promise<void>
  /** What the content is made of besides the table: a change there makes the file anew. */
  readonly inputs?: OwnFiles
}

/** The publisher of one file. Any failure leaves the file as it was; the next call then makes everything anew. */
export class FilePublisher implements Publisher {
  readonly name: string
  readonly needs: Publisher['needs']
  readonly #options: FilePublisherOptions
  #always: readonly Network[] = []
  /** The file as published; undefined: it is not known to be in step. */
  #published: string | undefined
  /** What the latest try was made of. */
  #inputs: string | undefined
  /** The file as it was left when its inputs could not be loaded. */
  #shut: string | undefined
  readonly #watches: OutsideWatch[] = []
  #isBusy = false

  constructor(options: FilePublisherOptions) {
    this.name = options.name
    this.needs = options.format.needs
    this.#options = options
  }

  get trouble(): string | undefined {
    return this.#options.format.inputs?.trouble
  }

  setAlways(networks: readonly Network[]): void {
    this.#options.format.check(networks)
    this.#always = networks
    this.#published = undefined
  }

  watch(onChange: () => void): void {
    if (this.#watches.length > 0) return
    const { path, clock, inputs } = this.#options
    for (const directory of new Set([dirname(path), ...(inputs?.directories ?? [])]))
      this.#watches.push(new OutsideWatch(directory, clock, () => this.#isTouched(), onChange))
  }

  // What failed for its inputs is tried again at once when they change; what failed otherwise has its time of retry.
  async #isTouched(): Promise<boolean> {
    if (this.#isBusy) return false
    if (this.#published !== undefined) return !(await this.#isInStep())
    return this.#inputs !== undefined && !(await this.#areInputsSame())
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    if (changes.length > 0 || !(await this.#isInStep())) await this.#write(all, this.#always, signal)
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#write(all, this.#always, signal)
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    await this.#write(() => [], [], signal)
    this.#published = undefined
  }

  async #isInStep(): Promise<boolean> {
    if (this.#published === undefined || this.#published !== (await identityOf(this.#options.path))) return false
    return this.#areInputsSame()
  }

  async #areInputsSame(): Promise<boolean> {
    return this.#inputs === (await this.#options.inputs?.identity())
  }

  async #write(all: WholeTable, always: readonly Network[], signal: AbortSignal): Promise<void> {
    const { format, inputs } = this.#options
    this.#isBusy = true
    this.#published = undefined
    try {
      signal.throwIfAborted()
      this.#inputs = await inputs?.identity()
      await this.#prepare()
      await this.#load(signal)
      this.#published = await this.#replace(format.render(slicesOf(all(), signal), always), signal)
    } finally {
      this.#isBusy = false
    }
  }

  /** The file of an earlier run must not stay open for want of what it was made of. */
  async #load(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.format.inputs?.load()
      this.#shut = undefined
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      await this.#shutOut(signal)
      const { message, retryable, mend } = error
      const said = `${message}; until that is mended ${this.#options.path} lets nobody relay who has logged in`
      throw new PublishError(said, { retryable, cause: error, ...(mend === undefined ? {} : { mend }) })
    }
  }

  async #shutOut(signal: AbortSignal): Promise<void> {
    const { path, format, afterwards } = this.#options
    if (this.#shut !== undefined && this.#shut === (await identityOf(path))) return
    const content = format.inputs?.withoutLogins(await earlierOf(path), this.#always)
    if (content !== undefined) this.#shut = await this.#replace(content, signal)
    else {
      const identity = await identityOf(path)
      await afterwards?.(signal)
      this.#shut = identity
    }
  }

  /** Resolves with the identity of the file once the MTA has been told. */
  async #replace(content: AsyncIterable<string | Buffer>, signal: AbortSignal): Promise<string> {
    const { path, afterwards } = this.#options
    await commitUnless(signal, await this.#stage(content))
    const identity = await identityOf(path)
    await afterwards?.(signal)
    return identity
  }

  async #prepare(): Promise<void> {
    const { path, stateDirectory } = this.#options
    const directory = dirname(path)
    try {
      await makeMapDirectory(directory, stateDirectory)
      await access(directory)
    } catch (error) {
      throw cannotWrite(path, error)
    }
  }

  #stage(content: AsyncIterable<string | Buffer>): Promise<StagedFile> {
    const { path, rights } = this.#options
    return stageFile(path, content, rights)
  }

  /** Ends the watch. The file stays as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches.splice(0)) watch.close()
  }
}

/** @throws {PublishError} where there is a file that cannot be read */
async function earlierOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PublishError(`cannot read ${path}: ${reasonOf(error)}`, { retryable: true, cause: error })
  }
}

async function commitUnless(signal: AbortSignal, staged: StagedFile): Promise<void> {
  try {
    signal.throwIfAborted()
    await staged.commit()
  } catch (error) {
    await staged.discard()
    throw error
  }
}
