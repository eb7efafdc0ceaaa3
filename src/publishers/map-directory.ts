/** The directories in which maps lie: made where they are missing below popauthd's own, and nowhere else. */
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { giveToOwnerOf } from '../lib/directory-owner.ts'

/**
 * Makes `directory` (mode 0755: an MTA must be able to pass it, and sendmail refuses one that its group or others may write to) where it is
 * missing and lies below `stateDirectory`. Root gives it to the owner of the state directory. @throws the system's error
 */
export async function makeMapDirectory(directory: string, stateDirectory: string): Promise<void> {
  if (!directory.startsWith(`${stateDirectory}/`)) return
  if ((await mkdir(directory, { recursive: true })) === undefined) return
  const made = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await made.chmod(0o755)
    giveToOwnerOf(stateDirectory, made.fd)
  } finally {
    await made.close()
  }
}
