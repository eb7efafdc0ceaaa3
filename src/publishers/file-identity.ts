/** Tells whether a file is still the one, and still has the content, that was seen last. */
import { stat } from 'node:fs/promises'

/** Device, inode, size and times of a file as one string; `absent` where there is none. */
export type FileIdentity = string

/** The identity of the file at `path` now (through symbolic links). Never throws: what cannot be looked at is its error's code. */
export async function identityOf(path: string): Promise<FileIdentity> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    return code === 'ENOENT' ? 'absent' : code
  }
}
