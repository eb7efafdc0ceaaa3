/** Whether a user may reach a file: pass every directory above it, and open it. By mode, owner and groups; access control lists are not read. */
import type { Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { modeText } from './writers.ts'

/** A user as the file system sees it. */
export interface Reacher {
  readonly name: string
  readonly uid: number
  readonly gids: readonly number[]
}

/** What is wanted of the file: a socket is connected to by who may write to it. */
type Wanted = 'read' | 'write'

/** What keeps `who` from `path`, in words; undefined where nothing does. @throws the system's error where it cannot be looked at */
export async function hindrance(path: string, who: Reacher, wanted: Wanted): Promise<string | undefined> {
  if (who.uid === 0) return undefined
  for (const directory of directoriesAbove(await realpath(path))) {
    const stats = await stat(directory)
    if (!has(stats, who, 1)) return `${who.name} may not pass ${directory} (mode ${modeText(stats.mode)})`
  }
  const stats = await stat(path)
  if (has(stats, who, wanted === 'write' ? 2 : 4)) return undefined
  return `${who.name} may not ${wanted === 'write' ? 'open' : 'read'} it (mode ${modeText(stats.mode)})`
}

/** From the root down. */
function directoriesAbove(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...directoriesAbove(parent), parent]
}

function has({ uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>, who: Reacher, bit: 1 | 2 | 4): boolean {
  const shift = uid === who.uid ? 6 : who.gids.includes(gid) ? 3 : 0
  return ((mode >> shift) & bit) !== 0
}
