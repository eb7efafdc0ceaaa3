/** A host on which popauthd was never used: a prune there finds nothing to do, and makes nothing. */
import { readdirSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Config } from '../config/config.ts'

/** True where there is neither a state directory nor any file of a map that is switched on. Where either cannot be told: false. */
export function isNeverSetUp(config: Config): boolean {
  const { stateDirectory, sendmailAccess, maps } = config
  if (!isMissing(() => statSync(stateDirectory))) return false
  const files = maps.flatMap((map) => ('path' in map ? map.path : []))
  const others = maps.length - files.length // a firewall's set, a command: what they hold cannot be told here
  return others === 0 && ![...files, ...(sendmailAccess.enabled ? [sendmailAccess.path] : [])].some(mayHaveFiles)
}

/** Whether the map or anything beside it (.db, .static, .lmdb) is there, or cannot be told. */
function mayHaveFiles(path: string): boolean {
  const name = basename(path)
  let found = true
  const isGone = isMissing(() => {
    found = readdirSync(dirname(path)).some((other) => other === name || other.startsWith(`${name}.`))
  })
  return !isGone && found
}

function isMissing(look: () => unknown): boolean {
  try {
    look()
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
