/** Replaces a small file as a whole: after a crash at any instant the old or the new content is there, never a mixture. */
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { giveToOwnerOf } from './directory-owner.ts'

/**
 * Writes `text` beside `path`, syncs it, renames it over `path` and syncs the directory; resolves once all of it is on disk.
 * `mode` is what a new file gets (file mode bits, whatever the umask). What root writes belongs to the owner of the directory: a command that
 * root runs must not lock the daemon's own user out. Calls for one path must not overlap.
 * @throws the system's error; `path` is then as it was
 */
export async function writeFileAtomically(path: string, text: string, mode: number): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.new`)
  try {
    await writeSynced(temporary, text, mode)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
  await syncDirectory(directory)
}

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  await rm(path, { force: true })
  const file = await open(path, 'wx', mode)
  try {
    await file.chmod(mode)
    giveToOwnerOf(dirname(path), file.fd)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes renames and new names in a directory last through a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
