/** Runs a program that makes or changes a map: no shell, a small environment, a time limit, and its own words when it fails. */
import { spawn } from 'node:child_process'
import { PublishError, reasonOf } from '../errors.ts'
import type { Owner } from '../lib/directory-owner.ts'
import { escapeForTerminal } from '../lib/escape.ts'

const TIMEOUT_MS = 120_000
const MOST_STDERR = 2000
/** No proxy, locale or preload settings of the daemon's own environment reach the tool. */
export const TOOL_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin', LC_ALL: 'C' }

/** How a tool is run. */
interface ToolOptions {
  /** With whose rights; root only. */
  readonly as?: Owner | undefined
  /** What to do where the program is not there. */
  readonly whenMissing: string
  /** What to do where it fails; unless told, for one that makes a map. */
  readonly whenFailed?: string
}

/**
 * Runs `command` (program, then arguments) with `input` on its standard input (text, or the descriptor of a file), and resolves once it ended with status 0.
 * @throws {PublishError} retryable, with what the program said, where it cannot be started, fails, is killed or takes too long
 */
export async function runTool(
  command: readonly string[],
  input: string | number,
  signal: AbortSignal,
  options: ToolOptions,
): Promise<void> {
  const { status, said } = await finish(command, input, signal, options)
  if (status === 0) return
  const words = said === '' ? '' : `: ${said}`
  throw new PublishError(`${command.slice(0, 4).join(' ')} failed (${status})${words}`, {
    retryable: true,
    mend: options.whenFailed ?? 'the map stays as it was; run the command by hand to see more',
  })
}

function finish(
  command: readonly string[],
  input: string | number,
  signal: AbortSignal,
  { as, whenMissing }: ToolOptions,
): Promise<{ status: number | string; said: string }> {
  const [program = '', ...args] = command
  return new Promise((resolve, reject) => {
    const stdin = typeof input === 'number' ? input : 'pipe'
    const child = spawn(program, args, {
      stdio: [stdin, 'ignore', 'pipe'],
      env: TOOL_ENVIRONMENT,
      signal,
      timeout: TIMEOUT_MS,
      ...(as === undefined ? {} : { uid: as.uid, gid: as.gid }),
    })
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < MOST_STDERR) said += chunk.toString('latin1')
    })
    child.once('error', (error) => reject(cannotRun(program, error, whenMissing)))
    child.once('close', (code, killedBy) => {
      const text = escapeForTerminal(said.trim().replace(/\n/g, '; ').slice(0, MOST_STDERR))
      resolve({ status: code ?? `killed by ${killedBy}`, said: text })
    })
    if (child.stdin !== null) {
      // A tool that ends without reading all of its input shows that by its exit status.
      child.stdin.on('error', () => {})
      child.stdin.end(String(input))
    }
  })
}

function cannotRun(program: string, error: unknown, whenMissing: string): PublishError {
  if ((error as Error).name === 'AbortError')
    return new PublishError(`${program} was given up`, { retryable: true, cause: error })
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
  return new PublishError(`cannot run ${program}: ${reasonOf(error)}`, {
    retryable: true,
    mend: missing ? whenMissing : 'it must be executable for the user popauthd runs as',
    cause: error,
  })
}
