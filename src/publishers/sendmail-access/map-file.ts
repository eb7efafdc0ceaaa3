/**
 * The map itself (`access.db`): built or altered beside, then renamed. Open SMTP sessions keep the old file and look only at its time, so
 * that is moved on afterwards: they reopen the map by its path and obey (docs/sendmail-findings.md). Nobody ever sees half a map.
 */
import { constants, copyFile, type FileHandle, link, open, readdir, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { SendmailAccessConfig } from '../../config/config.ts'
import { PublishError, UsageError } from '../../errors.ts'
import { syncDirectory } from '../../lib/atomic-file.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Owner, otherOwnerOf } from '../../lib/directory-owner.ts'
import { type FileIdentity, identityOf } from '../file-identity.ts'
import { cannotWrite, keepRights, ORDINARY_MAP_MODE, realTarget } from '../replace-file.ts'
import { runTool } from '../run-tool.ts'

/** Types that can be kept in step, with the suffix of their files. */
export const SENDMAIL_SUFFIXES: Readonly<Record<string, string>> = { hash: '.db', btree: '.db', cdb: '.cdb' }
const OLD_MARK = '.popauthd-old.'
/** A session that opened the old file around the rename may have missed the first move of its time: a second one follows. */
const SECOND_TOUCH_MS = 1100
// Measured with sendmail 8.17 and hash maps: starting a tool, and writing one entry.
const TOOL_MS = 6
const ENTRY_MS = 0.003

const WHEN_MISSING =
  'install it (Debian: sendmail-bin), or set sendmail_access.makemap_command and editmap_command to where it is'

/** Single entries to change: lines for makemap, and keys to remove. */
export interface MapChange {
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/** What was replaced and is still open in SMTP sessions. */
interface OldMap {
  readonly file: FileHandle
  readonly linkPath: string | undefined
}

type MapSettings = Pick<SendmailAccessConfig, 'path' | 'mapType' | 'makemapCommand' | 'editmapCommand'>

/** One map file. Calls never overlap; the caller holds the lock of the state directory. */
export class MapFile {
  /** The map, for instance /etc/mail/access.db. */
  readonly path: string
  /** True where the configured command makes the map of that name itself, in place (as the 2002 `makeaccess` script did). */
  readonly inPlace: boolean
  readonly #settings: MapSettings
  readonly #clock: Clock
  readonly #suffix: string
  /** The map as this process left it; undefined: not made by it. */
  #left: FileIdentity | undefined
  #olds: OldMap[] = []
  #oldNumber = 0
  /** See {@link newMapMode}. */
  #newMode = newMapMode()
  #cancelTouch: (() => void) | undefined

  /** @throws {UsageError} for a type whose maps cannot be replaced in one step (dbm keeps two files) */
  constructor(settings: MapSettings, clock: Clock) {
    const suffix = SENDMAIL_SUFFIXES[settings.mapType]
    if (suffix === undefined) {
      const message = `cannot keep a sendmail map of type ${settings.mapType} in step: it is not one file that can be replaced in one step`
      throw new UsageError(message, { mend: 'use hash, btree or cdb, in sendmail.cf too' })
    }
    this.#settings = settings
    this.#clock = clock
    this.#suffix = suffix
    this.path = settings.path + suffix
    this.inPlace = !settings.makemapCommand.some((part) => part.includes('{map}'))
  }

  /** True where the map is as this process left it. */
  async isUntouched(): Promise<boolean> {
    return this.#left !== undefined && (await identityOf(this.path)) === this.#left
  }

  /** True where changing single entries of a map with `entries` entries is possible and cheaper than building it anew. */
  async prefersChange(change: MapChange, entries: number): Promise<boolean> {
    const { makemapCommand, editmapCommand, mapType } = this.#settings
    // -o and -r are makemap's own options: another program may not know them.
    if (this.inPlace || mapType === 'cdb' || basename(makemapCommand[0] ?? '') !== 'makemap') return false
    if (change.remove.length > 0 && editmapCommand.length === 0) return false
    const tools = change.remove.length + Number(change.add.length > 0)
    const anew = TOOL_MS + entries * ENTRY_MS
    return tools * TOOL_MS + change.add.length * ENTRY_MS < anew + TOOL_MS && (await this.isUntouched())
  }

  /** Builds the whole map beside the present one from the text file at `textPath`. @throws {PublishError} */
  async build(textPath: string, signal: AbortSignal): Promise<void> {
    this.#newMode = newMapMode()
    try {
      await this.#build(textPath, signal)
    } catch (error) {
      // Root's makemap makes no map in the directory of an ordinary user (exit 73); that user's own makemap does.
      const owner = this.inPlace || signal.aborted ? undefined : otherOwnerOf(dirname(await realTarget(this.path)))
      if (owner === undefined) throw error
      await this.#build(textPath, signal, owner)
      this.#newMode = ORDINARY_MAP_MODE
    }
  }

  async #build(textPath: string, signal: AbortSignal, as?: Owner): Promise<void> {
    const text = await open(textPath, 'r')
    try {
      if (!this.inPlace) await unlink(await this.#staged()).catch(() => {})
      await runTool(await this.#command(this.#settings.makemapCommand), text.fd, signal, {
        as,
        whenMissing: WHEN_MISSING,
      })
    } finally {
      await text.close()
    }
  }

  /** Makes a copy beside the present map with single entries changed; false where that did not work, and the map must be built anew. */
  async change(change: MapChange, signal: AbortSignal): Promise<boolean> {
    const staged = await this.#staged()
    try {
      await unlink(staged).catch(() => {})
      await copyFile(await realTarget(this.path), staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      // Somebody's makemap in the middle of the copy would make it a damaged one.
      if (!(await this.isUntouched())) return false
      await this.#edit(change, signal)
      return true
    } catch {
      return false
    }
  }

  async #edit({ add, remove }: MapChange, signal: AbortSignal): Promise<void> {
    const editmap = await this.#command(this.#settings.editmapCommand)
    for (const key of remove) await runTool([...editmap, key], '', signal, { whenMissing: WHEN_MISSING })
    if (add.length === 0) return
    const [program = '', ...args] = await this.#command(this.#settings.makemapCommand)
    await runTool([program, '-o', '-r', ...args], add.join(''), signal, { whenMissing: WHEN_MISSING })
  }

  /** Puts what was built in force: for new SMTP sessions by the rename, for open ones by the old file's time. @throws {PublishError} */
  async install(): Promise<void> {
    const target = await realTarget(this.path)
    const old = await open(target, 'r').catch(() => undefined)
    if (this.inPlace) {
      if (old !== undefined) await moveTimeOn(old, this.#clock.now()).finally(() => old.close())
    } else await this.#replace(target, old)
    this.#left = await identityOf(this.path)
  }

  async #replace(target: string, old: FileHandle | undefined): Promise<void> {
    const staged = await this.#staged()
    try {
      const file = await open(staged, constants.O_RDONLY | constants.O_NOFOLLOW)
      try {
        await keepRights(file, target, this.#newMode === undefined ? undefined : { mode: this.#newMode })
        await file.sync()
      } finally {
        await file.close()
      }
      const linkPath = old === undefined ? undefined : await this.#keepLink(target)
      await rename(staged, target)
      if (old !== undefined) this.#olds.push({ file: old, linkPath })
      await this.#touchOlds()
      await syncDirectory(dirname(target))
    } catch (error) {
      if (old !== undefined && !this.#olds.some(({ file }) => file === old)) await old.close()
      throw error instanceof PublishError ? error : cannotWrite(target, error)
    }
    this.#cancelTouch ??= this.#clock.setTimer(SECOND_TOUCH_MS, () => {
      this.#cancelTouch = undefined
      void this.releaseOlds()
    })
  }

  // Killed between the rename and the touch, nobody could reach the old file any more: a second name stays until then.
  async #keepLink(target: string): Promise<string | undefined> {
    const linkPath = `${target}${OLD_MARK}${this.#oldNumber++}`
    try {
      await unlink(linkPath).catch(() => {})
      await link(target, linkPath)
      return linkPath
    } catch {
      return undefined
    }
  }

  async #touchOlds(): Promise<void> {
    for (const { file } of this.#olds) await moveTimeOn(file, this.#clock.now())
  }

  /** Moves the times of replaced maps on for a last time and lets them go. */
  async releaseOlds(): Promise<void> {
    const olds = this.#olds
    this.#olds = []
    for (const { file, linkPath } of olds) {
      await moveTimeOn(file, this.#clock.now())
      await file.close()
      if (linkPath !== undefined) await unlink(linkPath).catch(() => {})
    }
  }

  /** Ends what an earlier, killed process left behind: replaced maps that were not touched yet, and files half made. */
  async cleanUp(): Promise<void> {
    const target = await realTarget(this.path)
    await this.discard()
    for (const name of await readdir(dirname(target)).catch(() => [])) {
      if (!name.startsWith(basename(target) + OLD_MARK)) continue
      const linkPath = join(dirname(target), name)
      const file = await open(linkPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
        () => undefined,
      )
      if (file !== undefined) this.#olds.push({ file, linkPath })
    }
    await this.releaseOlds()
  }

  /** Discards what was built and not installed. */
  async discard(): Promise<void> {
    if (!this.inPlace) await unlink(await this.#staged()).catch(() => {})
  }

  /** Lets go of replaced maps. */
  async close(): Promise<void> {
    this.#cancelTouch?.()
    this.#cancelTouch = undefined
    await this.releaseOlds()
  }

  async #staged(): Promise<string> {
    return `${await this.#stagedBase()}${this.#suffix}`
  }

  async #stagedBase(): Promise<string> {
    return `${(await realTarget(this.path)).replace(/\.[a-z]+$/, '')}.popauthd-new`
  }

  async #command(template: readonly string[]): Promise<string[]> {
    const map = await this.#stagedBase()
    return template.map((part) => part.replaceAll('{type}', this.#settings.mapType).replaceAll('{map}', () => map))
  }
}

/** Moves the modification time on to now, by a whole second at least: sendmail compares whole seconds, and only forwards. */
async function moveTimeOn(file: FileHandle, nowMs: number): Promise<void> {
  const { atime, mtimeMs } = await file.stat()
  const seconds = Math.max(Math.floor(nowMs / 1000), Math.floor(mtimeMs / 1000) + 1)
  await file.utimes(atime, seconds).catch(() => {})
}

// Root's makemap gives a new map to sendmail's TrustedUser; any other user's must be readable by everybody, or sendmail refuses it.
function newMapMode(): number | undefined {
  return process.getuid?.() === 0 ? undefined : ORDINARY_MAP_MODE
}
