/** Errors that say nothing of a file: the system has too little of something, or a disk or server does not answer. To be tried again, not believed. */
import { readdir } from 'node:fs/promises'

const CODES: ReadonlySet<string | undefined> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
  'EINTR',
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
])

/** True for an error (or one that it is caused by) after which the same may work. */
export function passes(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return CODES.has((error as NodeJS.ErrnoException).code) || passes(error.cause)
}

/** For `catch`: gives `otherwise`, but throws errors that pass. */
export function unlessItPasses<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (passes(error)) throw error
    return otherwise
  }
}

/** The names in a directory; none where it does not exist or may not be listed. @throws errors that pass */
export function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(unlessItPasses<string[]>([]))
}
