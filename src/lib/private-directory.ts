/** A directory for files that a program is given to read, and that nobody else may change. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Makes one for the time of `work`, and removes it with all that is in it. @throws the system's error, and what `work` throws */
export async function inPrivateDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  // Root does not heed TMPDIR: whoever owns the directory that it names could put another one in the place of this.
  const parent = process.geteuid?.() === 0 ? '/tmp' : tmpdir()
  const directory = await mkdtemp(join(parent, 'popauthd-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}
