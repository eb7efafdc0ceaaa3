/** Files that root makes in a directory of another user's go to that user: a command that root runs must not lock the daemon out. */
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Ids of a user and a group. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/**
 * Gives the open file `fd`, which this process has made in `directory`, to owner and group of that directory, where root runs this and the
 * directory is another user's. A file with a second name is left alone: whoever owns the directory could have put somebody else's there.
 * True where the file went to another user. @throws the system's error
 */
export function giveToOwnerOf(directory: string, fd: number): boolean {
  const owner = otherOwnerOf(directory)
  if (owner === undefined) return false
  const file = fstatSync(fd)
  if (!(file.isFile() && file.nlink === 1) && !file.isDirectory()) return false
  if (file.uid === owner.uid && file.gid === owner.gid) return false
  fchownSync(fd, owner.uid, owner.gid)
  return file.uid !== owner.uid
}

/**
 * Opens a file that is not there yet for reading and writing, as its directory's owner would have made it; `mode` holds whatever the umask.
 * @throws the system's error: EEXIST where something has that name
 */
export function createForOwner(path: string, mode: number): number {
  const fd = openSync(path, NEW_FILE, mode)
  try {
    fchmodSync(fd, mode)
    giveToOwnerOf(dirname(path), fd)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Makes an empty file where root is about to let a library make it that knows no owners; does nothing for everybody else. @throws as {@link createForOwner} */
export function reserveForOwner(path: string, mode: number): void {
  if (otherOwnerOf(dirname(path)) !== undefined) closeSync(createForOwner(path, mode))
}

/** Owner and group of the directory, where this process is root and the directory is not root's. @throws the system's error */
export function otherOwnerOf(directory: string): Owner | undefined {
  if (process.geteuid?.() !== 0) return undefined
  const { uid, gid } = statSync(directory)
  return uid === 0 ? undefined : { uid, gid }
}
