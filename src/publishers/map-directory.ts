/** The directories in which maps lie: made where they are missing below popauthd's own, and nowhere else. */
import { constants } from 'node:fs'
import { lstat, mkdir, open } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { PublishError } from '../errors.ts'
import { giveToOwnerOf } from '../lib/directory-owner.ts'

/**
 * Makes `directory`, and those above it, (mode 0755: an MTA must be able to pass them, and sendmail refuses one that its group or others may write
 * to) where they are missing and lie below `stateDirectory`. Root gives them to the owner of the state directory.
 * @throws the system's error, or as {@link refuseForeignLinks}
 */
export async function makeMapDirectory(directory: string, stateDirectory: string): Promise<void> {
  if (!directory.startsWith(`${stateDirectory}/`)) return
  await refuseForeignLinks(directory)
  let path = stateDirectory
  for (const name of relative(stateDirectory, directory).split(sep)) {
    path = join(path, name)
    if (await isMade(path)) await settleRights(path, stateDirectory)
  }
}

/**
 * Root follows no symbolic link on the way to `path` that another user made: whoever owns a map's directory could have root replace any file.
 * For everybody else the system's own rules do. @throws {PublishError} where there is one
 */
export async function refuseForeignLinks(path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return
  let at = '/'
  for (const name of path.split(sep)) {
    at = join(at, name)
    const found = await lstat(at).catch(() => undefined)
    if (found === undefined) return
    if (!found.isSymbolicLink() || found.uid === 0) continue
    throw new PublishError(
      `cannot write ${path}: root does not follow ${at}, a symbolic link that user ${found.uid} made`,
      {
        retryable: true,
        mend: `run popauthd as the owner of its state directory, or give the link to root (chown -h root ${at})`,
      },
    )
  }
}

async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path, 0o755)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function settleRights(path: string, stateDirectory: string): Promise<void> {
  const made = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await made.chmod(0o755)
    giveToOwnerOf(stateDirectory, made.fd)
  } finally {
    await made.close()
  }
}
