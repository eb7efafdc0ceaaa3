/** Whether the processes of an MTA reach a socket of popauthd. */
import { stat } from 'node:fs/promises'
import { reasonOf } from '../../errors.ts'
import { connectProblem } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { hindrance, type Reacher } from '../reach.ts'

/** A finding about the socket at `path`. `who` undefined: the MTA's user is not known. */
export async function socketFor(path: string, who: Reacher | undefined, mend: string): Promise<Finding[]> {
  const { ok, problem, unknown } = findingsOf('socket', path)
  try {
    if (!(await stat(path)).isSocket()) return [problem('is no socket', mend)]
    const silent = await connectProblem(path)
    if (silent !== undefined)
      return [problem(`cannot be connected to: ${silent}`, 'is popauthd running? popauthd status')]
    if (who === undefined) return [unknown('whether the MTA may open it cannot be told: its user is not known here')]
    const kept = await hindrance(path, who, 'write')
    return [kept === undefined ? ok(`${who.name} may open it`) : problem(kept, mend)]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return [
        problem('is not there', 'is popauthd running, and was it restarted since its configuration was changed?', mend),
      ]
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, 'run this as root')]
  }
}
