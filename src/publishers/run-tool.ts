/** Runs a program that makes or changes a map: no shell, a small environment, a time limit, and its own words when it fails. */
import { type ChildProcess, spawn } from 'node:child_process'
import { pipeline } from 'node:stream/promises'
import { PublishError, reasonOf } from '../errors.ts'
import type { Owner } from '../lib/directory-owner.ts'
import { escapeForTerminal } from '../lib/escape.ts'

const TIMEOUT_MS = 120_000
const MOST_STDERR = 2000
const MOST_OUTPUT = 65_536
/** What a program left running may keep its output open for ever: its last words have this long. */
const LAST_WORDS_MS = 500
/** No proxy, locale or preload settings of the daemon's own environment reach the tool. */
export const TOOL_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin', LC_ALL: 'C' }

/** What stands on the standard input of a tool: text, the descriptor of a file, or text in pieces. */
export type ToolInput = string | number | AsyncIterable<string>

/** How a tool that ran to its end ended, and what it said on standard error: one line, escaped, shortened. */
export interface ToolResult {
  /** Its exit status, or the signal that ended it, in words. */
  readonly status: number | string
  readonly said: string
}

/** How a tool is run. */
export interface ToolOptions {
  /** With whose rights; root only. */
  readonly as?: Owner | undefined
  /** What to do where the program is not there. */
  readonly whenMissing: string
  /** What to do where it fails; unless told, for one that makes a map. */
  readonly whenFailed?: string
  /** Says of a status other than 0 that nothing went wrong; `said` is what the program wrote on its standard error. */
  readonly isHarmless?: (status: number | string, said: string) => boolean
  /** It is killed after this long (default: two minutes). */
  readonly timeoutMs?: number
}

/**
 * Runs `command` (program, then arguments) with `input` on its standard input, and resolves once it ended with status 0, whatever it leaves
 * running. It is killed where `signal` aborts or it takes too long.
 * @throws {PublishError} retryable, with what the program said, where it cannot be started, fails, is killed or takes too long
 */
export async function runTool(
  command: readonly string[],
  input: ToolInput,
  signal: AbortSignal,
  options: ToolOptions,
): Promise<void> {
  const { status, said } = await toolResult(command, input, signal, options)
  if (status !== 0 && options.isHarmless?.(status, said) !== true) throw failed(command, status, said, options)
}

/** Runs `command` likewise, without input, and resolves with what it wrote on its standard output. @throws {PublishError} likewise */
export async function outputOf(command: readonly string[], signal: AbortSignal, options: ToolOptions): Promise<string> {
  let output = ''
  const { status, said } = await toolResult(command, '', signal, options, (chunk) => {
    if (output.length < MOST_OUTPUT) output += chunk.toString('latin1')
  })
  if (status !== 0) throw failed(command, status, said, options)
  return output
}

function failed(
  command: readonly string[],
  status: number | string,
  said: string,
  { whenFailed }: ToolOptions,
): PublishError {
  const words = said === '' ? '' : `: ${said}`
  return new PublishError(`${command.slice(0, 4).join(' ')} failed (${status})${words}`, {
    retryable: true,
    mend: whenFailed ?? 'the map stays as it was; run the command by hand to see more',
  })
}

/**
 * As {@link runTool}, but any end of the program is an answer. Where the pieces of `input` fail, the program is killed before it meets the end of its
 * input: it never takes a part for the whole. @throws {PublishError} where it cannot be started or was given up; what the pieces threw
 */
export function toolResult(
  command: readonly string[],
  input: ToolInput,
  signal: AbortSignal,
  { as, whenMissing, timeoutMs = TIMEOUT_MS }: ToolOptions,
  onOutput?: (chunk: Buffer) => void,
): Promise<ToolResult> {
  const [program = '', ...args] = command
  return new Promise((resolve, reject) => {
    const stdin = typeof input === 'number' ? input : 'pipe'
    const child = spawn(program, args, {
      stdio: [stdin, onOutput === undefined ? 'ignore' : 'pipe', 'pipe'],
      env: TOOL_ENVIRONMENT,
      signal,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(as === undefined ? {} : { uid: as.uid, gid: as.gid }),
    })
    if (onOutput !== undefined) child.stdout?.on('data', onOutput)
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < MOST_STDERR) said += chunk.toString('latin1')
    })
    let cancel = () => {}
    child.once('error', (error) => reject(cannotRun(program, error, whenMissing)))
    const fed = feed(child, input)
    child.once('exit', () => {
      const timer = setTimeout(() => {
        for (const pipe of child.stdio) pipe?.destroy()
      }, LAST_WORDS_MS)
      cancel = () => clearTimeout(timer)
    })
    child.once('close', async (code, killedBy) => {
      cancel()
      const failure = await fed
      if (failure !== undefined) return reject(failure.error)
      const text = escapeForTerminal(said.trim().replace(/\n/g, '; ').slice(0, MOST_STDERR))
      resolve({ status: code ?? `killed by ${killedBy}`, said: text })
    })
  })
}

/** Resolves, when the tool takes no more, with what the pieces threw. A tool that ends without reading all of its input shows that by its exit status. */
async function feed(child: ChildProcess, input: ToolInput): Promise<{ error: unknown } | undefined> {
  const { stdin } = child
  if (stdin === null) return undefined
  if (typeof input !== 'object') {
    stdin.on('error', () => {})
    stdin.end(String(input))
    return undefined
  }
  let failure: { error: unknown } | undefined
  async function* orKill(pieces: AsyncIterable<string>) {
    try {
      yield* pieces
    } catch (error) {
      failure = { error }
      child.kill('SIGKILL')
    }
  }
  await pipeline(orKill(input), stdin).catch(() => {})
  return failure
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
