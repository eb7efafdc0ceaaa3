/** The error for a log that is there and cannot be read, with what to do about it. */
import { readFile, stat } from 'node:fs/promises'
import { reasonOf, SourceError } from '../errors.ts'

/** Describes why `path` cannot be opened. An error that is a {@link SourceError} already is returned as it is. */
export async function unreadableLog(path: string, error: unknown): Promise<SourceError> {
  if (error instanceof SourceError) return error
  const code = (error as NodeJS.ErrnoException).code
  const denied = code === 'EACCES' || code === 'EPERM'
  const mend = denied ? await mendOfDenied(path) : 'mend that, or name another log with --log FILE'
  return new SourceError(`cannot read ${path}: ${reasonOf(error)}`, { mend, cause: error })
}

async function mendOfDenied(path: string): Promise<string> {
  const group = (await groupOf(path)) ?? 'adm'
  return `add the user that runs popauthd to the group ${group} (usermod -aG ${group} USER, then log in again), or name a log it may read with --log FILE`
}

/** The group that may read the file, where it has one other than root. */
async function groupOf(path: string): Promise<string | undefined> {
  try {
    const { gid, mode } = await stat(path)
    if (gid === 0 || (mode & 0o040) === 0) return undefined
    const entries = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'))
    return entries.find((entry) => entry[2] === String(gid))?.[0]
  } catch {
    return undefined
  }
}
