/** What the operator's own files say now; while they cannot be read, what they said before, in an earlier run too. */
import { PublishError, reasonAndMend } from '../errors.ts'
import type { OwnFile, OwnFiles } from './own-files.ts'
import type { ReadingMemory } from './reading-memory.ts'

/** How what is read becomes what is used. */
export interface Reading<Read> {
  readonly parse: (files: readonly OwnFile[]) => Promise<Read>
  /** Tells the operator what cannot be used. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
  /** What was read last outlives the process there; undefined: it does not. */
  readonly memory?: ReadingMemory | undefined
}

/** Reads and parses the files anew where they are others than the last time. */
export class LatestReading<Read> {
  readonly #files: OwnFiles
  readonly #reading: Reading<Read>
  #good: { readonly text: string; readonly read: Read } | undefined
  #told = ''
  /** Why the files cannot be used as they are now, and that older ones are; undefined where they can. */
  trouble: string | undefined

  constructor(files: OwnFiles, reading: Reading<Read>) {
    this.#files = files
    this.#reading = reading
  }

  /**
   * What the files say. Where that cannot be had, what they said before stays in force, so that the map still follows the table; this is told once.
   * @throws {PublishError} where they cannot be read, and nothing is known of before
   */
  async now(): Promise<Read> {
    try {
      const texts = await this.#files.read()
      const read = await this.#parsed(texts)
      this.trouble = undefined
      this.#told = ''
      return read
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      return await this.#before(error)
    }
  }

  async #parsed(texts: readonly OwnFile[]): Promise<Read> {
    const text = JSON.stringify(texts)
    if (this.#good?.text === text) return this.#good.read
    const read = await this.#reading.parse(texts)
    this.#good = { text, read }
    await this.#keep(text)
    return read
  }

  // The map is right without it: only a later run may miss it.
  async #keep(text: string): Promise<void> {
    try {
      await this.#reading.memory?.keep(text)
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      this.#reading.notice('what was read of your own files cannot be kept for the next start', {
        problem: reasonAndMend(error),
      })
    }
  }

  async #before(error: PublishError): Promise<Read> {
    this.#good ??= await this.#recalled()
    if (this.#good === undefined) throw error
    const message = `${error.message}; what was read before stays in force`
    this.trouble = error.mend === undefined ? message : `${message}; ${error.mend}`
    if (message !== this.#told) this.#reading.notice(message, { mend: error.mend })
    this.#told = message
    return this.#good.read
  }

  async #recalled(): Promise<{ text: string; read: Read } | undefined> {
    const texts = await this.#reading.memory?.recall()
    if (texts === undefined) return undefined
    try {
      return { text: JSON.stringify(texts), read: await this.#reading.parse(texts) }
    } catch (error) {
      if (error instanceof PublishError) return undefined
      throw error
    }
  }
}
