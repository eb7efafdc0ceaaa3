/** What `run` does about a damaged table: on a terminal it offers to set it aside, elsewhere the error names the command that does. */
import { DamagedTableError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { CliContext } from './context.ts'
import { canAsk, isYes } from './yes-or-no.ts'

/**
 * Runs `start`. Where the table in `stateDirectory` turns out to be damaged and a person sits at the terminal, they are asked whether it is to be
 * made anew of the logs; after a yes it is set aside and `start` is run once more. Anything else but a yes leaves everything as it is.
 * @throws {DamagedTableError} not at a terminal, or not wanted @throws what `start` throws
 */
export async function runOrRebuild(
  context: Pick<CliContext, 'stdin' | 'stderr'>,
  stateDirectory: string,
  signal: AbortSignal,
  start: () => Promise<void>,
): Promise<void> {
  try {
    return await start()
  } catch (error) {
    if (!(error instanceof DamagedTableError) || signal.aborted) throw error
    if (!(await isWanted(context, error, signal))) throw error
  }
  const { setTableAside } = await import('../table/set-aside.ts')
  const { keptAs, decisions } = setTableAside(stateDirectory)
  const kept = decisions === 1 ? '1 decision stays' : `${decisions} decisions stay`
  const aside = keptAs === undefined ? '' : `the damaged table is ${escapeForTerminal(keptAs)} now; `
  context.stderr.write(`popauthd: ${aside}${kept} in force\n`)
  await start()
}

async function isWanted(
  context: Pick<CliContext, 'stdin' | 'stderr'>,
  { message }: DamagedTableError,
  signal: AbortSignal,
): Promise<boolean> {
  if (!canAsk(context)) return false
  const question = `popauthd: ${escapeForTerminal(message)}
  Set it aside, and make a new one of the logs of the last window?
  What was allowed, blocked and revoked stays so. Logins that are in no log
  (reported, imported) open again when their users next log in. [y/N] `
  return isYes(context, question, signal)
}
