/** Keeps a second process off a state directory: a kernel lock on a file in it, which goes when its holder dies. */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from 'fs-native-extensions'
import { reasonOf, TableError } from '../errors.ts'
import { createForOwner } from './directory-owner.ts'

const LOCK_FILE = 'popauthd.lock'

/** Held until disposed, or until the process ends in whatever way. */
export interface StateLock extends Disposable {
  readonly path: string
}

/**
 * Takes the lock of a state directory, which must exist, and writes this process's id into the lock file.
 * @throws {TableError} where another process holds it (its id in the message), or the file cannot be opened
 */
export function takeStateLock(directory: string): StateLock {
  const path = join(directory, LOCK_FILE)
  const fd = openLockFile(path)
  try {
    if (!tryLock(fd)) throw inUse(directory, holderOf(path))
    ftruncateSync(fd, 0)
    writeSync(fd, `${process.pid}\n`, 0)
  } catch (error) {
    closeSync(fd)
    if (error instanceof TableError) throw error
    throw new TableError(`cannot lock ${path}: ${reasonOf(error)}`, { cause: error })
  }
  let held = true
  return {
    path,
    [Symbol.dispose]() {
      if (held) closeSync(fd)
      held = false
    },
  }
}

function openLockFile(path: string): number {
  try {
    return newOrPresent(path)
  } catch (error) {
    throw new TableError(`cannot open ${path}: ${reasonOf(error)}`, {
      mend: 'run it as root or as the user that popauthd runs as; directory and files must belong to that user, and there must be room',
      cause: error,
    })
  }
}

function newOrPresent(path: string): number {
  try {
    return createForOwner(path, 0o640)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)
  }
}

function holderOf(path: string): number | 'unknown' {
  const text = readFileSync(path, 'latin1')
  return /^\d{1,10}\n$/.test(text) ? Number(text) : 'unknown'
}

function inUse(directory: string, holder: number | 'unknown'): TableError {
  const who = holder === 'unknown' ? 'another popauthd' : `another popauthd (PID ${holder})`
  return new TableError(`${who} uses ${directory}`, {
    mend: 'stop the other one, or give this one a state directory of its own (state_directory)',
  })
}
