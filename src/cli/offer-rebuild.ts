/** What `run` does about a damaged table: on a terminal it offers to set it aside, elsewhere the error names the command that does. */
import type { Readable } from 'node:stream'
import { DamagedTableError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { TerminalLike } from '../lib/terminal.ts'
import type { CliContext } from './context.ts'

/** A longer answer is none. */
const LONGEST_ANSWER = 100

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
  { stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>,
  { message }: DamagedTableError,
  signal: AbortSignal,
): Promise<boolean> {
  if (stderr.isTTY !== true) return false
  const input: Readable & TerminalLike = stdin()
  if (input.isTTY !== true) return false
  stderr.write(`popauthd: ${escapeForTerminal(message)}
  Set it aside, and make a new one of the logs of the last window?
  What was allowed, blocked and revoked stays so. Logins that are in no log
  (reported, imported) open again when their users next log in. [y/N] `)
  return /^y(es)?$/i.test((await firstLine(input, signal)).trim())
}

/** One line of what is typed, without its end; what came so far where the input ends or the process is told to stop. */
function firstLine(input: Readable, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const take = (bytes: Buffer | string) => {
      text += bytes.toString()
      if (text.includes('\n') || text.length > LONGEST_ANSWER) done()
    }
    const done = () => {
      input.off('data', take).off('end', done).off('error', done)
      signal.removeEventListener('abort', done)
      input.pause()
      resolve(text.includes('\n') && !signal.aborted ? text.slice(0, text.indexOf('\n')) : '')
    }
    input.on('data', take).on('end', done).on('error', done)
    signal.addEventListener('abort', done, { once: true })
    input.resume()
  })
}
