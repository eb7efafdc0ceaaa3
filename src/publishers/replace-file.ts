/** Replaces a file as a whole, keeping owner, group and mode: staged beside it, synced, then renamed. */
import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PublishError, reasonOf } from '../errors.ts'
import { syncDirectory } from '../lib/atomic-file.ts'
import { giveToOwnerOf } from '../lib/directory-owner.ts'
import { refuseForeignLinks } from './map-directory.ts'

type Content = Iterable<string | Buffer> | AsyncIterable<string | Buffer>

const STAGED = '.popauthd-new'
/** sendmail refuses a map of an ordinary user that not everybody may read. */
export const ORDINARY_MAP_MODE = 0o644

/** Rights of a file that is made anew. */
export interface FileRights {
  /** File mode bits, for instance 0o644. */
  readonly mode: number
  /** Group id; absent: that of the process. */
  readonly gid?: number
}

/** A file written beside its target, not yet in force. */
export interface StagedFile {
  /** Where it lies now. */
  readonly path: string
  /** Renames it over the target and syncs the directory. @throws {PublishError} */
  commit(): Promise<void>
  /** Removes it; harmless after a commit. */
  discard(): Promise<void>
}

/**
 * Writes `content` (text, each character a byte: Latin-1, or bytes) beside `path` (through symbolic links) under the fixed name
 * `*.popauthd-new`; a stale one of an earlier run is removed. `rights` are for a target that does not exist. The caller makes sure that nobody else stages the same file.
 * @throws {PublishError}
 */
export async function stageFile(path: string, content: Content, rights: FileRights): Promise<StagedFile> {
  const target = await realTarget(path)
  const staged = target + STAGED
  const discard = () => unlink(staged).catch(() => {})
  try {
    await discard()
    const file = await open(staged, 'wx', 0o600)
    try {
      for await (const piece of content) await file.writeFile(piece, 'latin1')
      await keepRights(file, target, rights)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    await discard()
    throw cannotWrite(path, error)
  }
  return { path: staged, discard, commit: () => commit(staged, target) }
}

/** Removes what a killed process staged for `path`. */
export async function removeStaged(path: string): Promise<void> {
  await unlink(`${await realTarget(path)}${STAGED}`).catch(() => {})
}

async function commit(staged: string, target: string): Promise<void> {
  try {
    await rename(staged, target)
    await syncDirectory(dirname(target))
  } catch (error) {
    throw cannotWrite(target, error)
  }
}

/** Stages and commits in one step. @throws {PublishError} */
export async function replaceFile(path: string, content: Content, rights: FileRights): Promise<void> {
  await (await stageFile(path, content, rights)).commit()
}

/** Where `path` leads when it is a symbolic link; itself where nothing is there yet. @throws {PublishError}, also as {@link refuseForeignLinks} */
export async function realTarget(path: string): Promise<string> {
  await refuseForeignLinks(path)
  try {
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw cannotWrite(path, error)
  }
}

/**
 * Gives `file` owner, group and mode of `target`. Where there is no target it gets `rights` (undefined: a map that root's makemap made),
 * and what root made in a directory of another user's becomes that user's, as if the daemon had made it. @throws {PublishError}
 */
export async function keepRights(file: FileHandle, target: string, rights: FileRights | undefined): Promise<void> {
  const old = await stat(target).catch(() => undefined)
  if (old === undefined) {
    const mode = giveToOwnerOf(dirname(target), file.fd) ? (rights?.mode ?? ORDINARY_MAP_MODE) : rights?.mode
    if (rights?.gid !== undefined) await giveToGroup(file, target, rights.gid)
    if (mode !== undefined) await file.chmod(mode)
    return
  }
  const now = await file.stat()
  try {
    if (now.uid !== old.uid || now.gid !== old.gid) await file.chown(old.uid, old.gid)
    await file.chmod(old.mode & 0o7777)
  } catch (error) {
    throw new PublishError(`cannot keep owner and group (${old.uid}:${old.gid}) of ${target}: ${reasonOf(error)}`, {
      retryable: true,
      mend: `give the file to the user popauthd runs as, or run popauthd as its owner`,
      cause: error,
    })
  }
}

async function giveToGroup(file: FileHandle, target: string, gid: number): Promise<void> {
  try {
    await file.chown((await file.stat()).uid, gid)
  } catch (error) {
    throw new PublishError(`cannot give ${target} to group ${gid}: ${reasonOf(error)}`, {
      retryable: true,
      mend: 'make the user popauthd runs as a member of that group',
      cause: error,
    })
  }
}

/** The error for a file that cannot be replaced; one that says it already stays. */
export function cannotWrite(path: string, error: unknown): PublishError {
  if (error instanceof PublishError) return error
  const mends: Record<string, string> = {
    ENOENT: `make the directory ${dirname(path)}, owned by the user popauthd runs as and writable for nobody else`,
    EACCES: `the directory ${dirname(path)} must be writable for the user popauthd runs as`,
    EROFS: `add ${dirname(path)} to ReadWritePaths= of the service, or choose another place`,
    ENOSPC: 'make room; the map stays as it was until then',
  }
  const mend = mends[(error as NodeJS.ErrnoException).code ?? '']
  const message = `cannot write ${path}: ${reasonOf(error)}`
  return new PublishError(message, { retryable: true, cause: error, ...(mend === undefined ? {} : { mend }) })
}
