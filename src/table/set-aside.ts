/** Takes a table out of use, so that the next start makes a new one of the logs. For one that is damaged, or that an operator does not trust. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readDecisionFile } from '../admission/decision-file.ts'
import { reasonOf, TableError } from '../errors.ts'
import { takeStateLock } from '../lib/state-lock.ts'

/** What was done. */
export interface SetAside {
  readonly table: string
  /** Where the old table is now, for the operator to delete; undefined where there was none. */
  readonly keptAs: string | undefined
  /** How many decisions (allow, block, revoke) stay in force: they are in a file of their own. */
  readonly decisions: number
}

/**
 * Renames the table of a state directory that no daemon uses; an older one that was set aside is replaced.
 * @throws {TableError} in use, not to be renamed, or decisions that cannot be read: nothing was changed
 */
export function setTableAside(directory: string): SetAside {
  const table = join(directory, 'table.mdb')
  if (!existsSync(directory)) return { table, keptAs: undefined, decisions: 0 }
  using _lock = takeStateLock(directory)
  const { decisions } = readDecisionFile(join(directory, 'decisions.json'))
  if (!existsSync(table)) return { table, keptAs: undefined, decisions: decisions.length }
  const keptAs = `${table}.set-aside`
  try {
    renameSync(table, keptAs)
    rmSync(`${table}-lock`, { force: true })
  } catch (error) {
    throw new TableError(`cannot rename ${table} to ${keptAs}: ${reasonOf(error)}`, {
      mend: 'run it as root or as the user that popauthd runs as',
      cause: error,
    })
  }
  return { table, keptAs, decisions: decisions.length }
}
