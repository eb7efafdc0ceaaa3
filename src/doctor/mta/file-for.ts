/** Whether the processes of an MTA can read a file that popauthd keeps. */
import { stat } from 'node:fs/promises'
import { reasonOf } from '../../errors.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { hindrance, type Reacher } from '../reach.ts'

/** A finding about the file at `path`. `who` undefined: the MTA's user is not known. `missing`: what becomes of clients without the file. */
export async function fileFor(path: string, who: Reacher | undefined, missing: string): Promise<Finding> {
  const { ok, problem, unknown } = findingsOf('file', path)
  try {
    if (!(await stat(path)).isFile()) return problem('is no file', 'move it away: popauthd makes a file there')
    if (who === undefined) return unknown('whether the MTA may read it cannot be told: its user is not known here')
    const kept = await hindrance(path, who, 'read')
    return kept === undefined
      ? ok(`${who.name} may read it`)
      : problem(kept, 'chmod 0755 the directory, chmod 0644 the file')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return problem(
        `is not there: ${missing}`,
        'popauthd makes it at its start; popauthd status tells why it could not',
      )
    return unknown(`cannot be looked at: ${reasonOf(error)}`, 'run this as root')
  }
}
