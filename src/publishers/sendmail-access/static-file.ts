/** Keeps the operator's word: reads access.static, and moves into it what was written into access by hand. */
import { constants, copyFile, readFile, stat } from 'node:fs/promises'
import type { AccessEntry } from '../../core/access-text.ts'
import { PublishError, reasonOf } from '../../errors.ts'
import { cannotWrite, replaceFile } from '../replace-file.ts'
import { type Examined, examineAccess, staticPartOf } from './access-text-file.ts'
import { parseInfo } from './format.ts'
import { adoptInto, type IsKnown, type TakeOver, takeOverEdited, takeOverForeign, withoutEntries } from './take-over.ts'

/** The text files of one map, and what is known about clients. */
interface StaticFileOptions {
  /** For instance /etc/mail/access. */
  readonly textPath: string
  /** For instance /etc/mail/access.db. */
  readonly mapPath: string
  /** True for addresses of which popauthd's table has a record, expired or not. */
  readonly isKnown: IsKnown
  /** Keys that popauthd writes by itself (folded or not). */
  readonly isOwnKey: (key: string) => boolean
  /** Tells the operator what was moved or left out. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
}

const NEW_STATIC =
  '# Entries of your own for the sendmail access map. popauthd adds them to the map when this file changes.\n'
const NEW_MODE = 0o640
const MOST_NAMED = 20

/** Reads and keeps `access.static`. */
export class StaticFile {
  readonly path: string
  readonly infoPath: string
  readonly #options: StaticFileOptions

  constructor(options: StaticFileOptions) {
    this.#options = options
    this.path = `${options.textPath}.static`
    this.infoPath = `${options.textPath}.info`
  }

  /**
   * The text of access.static, after everything that somebody put into access by hand has moved there (with a copy of access first).
   * @throws {PublishError} where something cannot be read or written
   */
  async settle(): Promise<string> {
    const [text, present] = [await readText(this.#options.textPath), await readText(this.path)]
    if (text === undefined) return present ?? (await this.#begin())
    const examined = examineAccess(text)
    if (examined.kind === 'foreign') return this.#firstContact(text, present)
    const before = present ?? (await this.#restore(text))
    return examined.kind === 'edited' ? this.#keepEdits(examined, before) : before
  }

  async #begin(): Promise<string> {
    if ((await stat(this.#options.mapPath).catch(() => undefined)) !== undefined) {
      const { textPath, mapPath } = this.#options
      throw new PublishError(
        `there is a map ${mapPath} but neither ${textPath} nor ${this.path}, so its entries would be lost`,
        {
          retryable: true,
          mend: `write the map's entries to ${this.path}: makemap -u hash ${textPath} > ${this.path} (or move the map away)`,
        },
      )
    }
    await replaceFile(this.path, [NEW_STATIC], { mode: NEW_MODE })
    return NEW_STATIC
  }

  async #restore(text: string): Promise<string> {
    const restored = staticPartOf(text)
    await replaceFile(this.path, [restored], { mode: NEW_MODE })
    const mend = 'to have no static entries, empty the file instead of removing it'
    this.#options.notice(`${this.path} was gone and has been restored from ${this.#options.textPath}`, { mend })
    return restored
  }

  async #firstContact(text: string, present: string | undefined): Promise<string> {
    const { textPath } = this.#options
    const taken = takeOverForeign(text, present ?? '', await this.#isKnown())
    if (text.trim() === '') return present ?? (await this.#write(NEW_STATIC))
    const backup = [await backUp(textPath)]
    if ((await readText(this.infoPath)) !== undefined) backup.push(await backUp(this.infoPath))
    const { mode } = await stat(textPath)
    const settled =
      present === undefined
        ? withoutEntries(text, taken.reported)
        : taken.adopted.length === 0
          ? present
          : adoptInto(present, taken.adopted, `moved here from ${textPath} by popauthd`)
    if (settled !== present) await this.#write(settled, mode & 0o777)
    this.#tell(`${textPath} is written by popauthd from now on; its entries are in ${this.path}`, taken, { backup })
    return settled
  }

  async #keepEdits(examined: Extract<Examined, { kind: 'edited' }>, present: string): Promise<string> {
    const { textPath, isOwnKey } = this.#options
    const taken = takeOverEdited(examined, present, await this.#isKnown(), isOwnKey)
    if (taken.adopted.length + taken.reported.length === 0) {
      this.#tell(`${textPath} was edited by hand; it is written anew, edit ${this.path} instead`, taken)
      return present
    }
    const why = `moved here from ${textPath} by popauthd`
    const settled = taken.adopted.length === 0 ? present : await this.#write(adoptInto(present, taken.adopted, why))
    this.#tell(`${textPath} was edited by hand; what was added is now in ${this.path}, edit that file instead`, taken)
    return settled
  }

  async #write(text: string, newFileMode = NEW_MODE): Promise<string> {
    await replaceFile(this.path, [text], { mode: newFileMode })
    return text
  }

  #tell(message: string, { adopted, reported }: TakeOver, more: Record<string, unknown> = {}): void {
    this.#options.notice(message, { ...more, moved: adopted.length })
    if (reported.length === 0) return
    this.#options.notice(
      `entries of ${this.#options.textPath} were not taken over: logins made them, or it is doubtful who did`,
      {
        entries: reported.slice(0, MOST_NAMED).map(named),
        count: reported.length,
        mend: `put those you want to keep for good into ${this.path}`,
      },
    )
  }

  async #isKnown(): Promise<IsKnown> {
    const listed = new Set(parseInfo((await readText(this.infoPath)) ?? '').entries.map(({ address }) => address))
    return (address) => listed.has(address) || this.#options.isKnown(address)
  }
}

function named(entry: AccessEntry): string {
  return `${entry.key} ${entry.value}`
}

/** The text of a file, or undefined where there is none. @throws {PublishError} where it cannot be read */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PublishError(`cannot read ${path}: ${reasonOf(error)}`, {
      retryable: true,
      mend: 'it must be a file that the user popauthd runs as may read',
      cause: error,
    })
  }
}

// A run that failed after its backup is followed by others, each minute perhaps: a copy that is there already is enough.
async function backUp(path: string): Promise<string> {
  for (let number = 0; ; number++) {
    const backup = `${path}.before-popauthd${number === 0 ? '' : `.${number}`}`
    try {
      await copyFile(path, backup, constants.COPYFILE_EXCL)
      return backup
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(backup, error)
      if ((await readText(backup)) === (await readText(path))) return backup
    }
  }
}
