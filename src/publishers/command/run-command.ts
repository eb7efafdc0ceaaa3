/** Runs a program of the operator's that takes lines: no shell, a small environment, and an end to whatever it does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PublishError, reasonOf } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { otherOwnerOf } from '../../lib/directory-owner.ts'
import { escapeForTerminal } from '../../lib/escape.ts'
import { TOOL_ENVIRONMENT } from '../run-tool.ts'

/** How it is run. */
export interface CommandOptions {
  /** Program, then arguments. */
  readonly command: readonly string[]
  /** Root runs the program as the owner of this directory, everybody else as themselves. */
  readonly stateDirectory: string
  readonly clock: Clock
}

/** How long a program may take to end, or to read on: when popauthd is stopped, two tries and a last one must fit into half a minute. */
export const MOST_PAUSE_MS = 8000
/** How long it may take in all, however much it reads; the timer that prunes allows 50 seconds. */
export const MOST_COMMAND_MS = 45_000
/** What a program may write to standard error before it is ended: reading it takes time from others. */
const MOST_OUTPUT_BYTES = 1 << 20
/** How much of that is told. */
const MOST_WORDS = 2000
/** What a program said last is waited for this long, where something else holds its standard error open. */
const LAST_WORDS_MS = 200

/**
 * Runs the program with `lines` on its standard input, written as fast as it reads them, and resolves once it ended with status 0, read or
 * not. One that runs too long, says too much or is given up is ended with all of its process group; what it left running by itself stays.
 * @throws {PublishError} retryable, with what it said on standard error, where it cannot be started, fails, takes too long or says too much
 * @throws what `lines` throws; the program is ended then
 */
export async function runCommand(
  lines: AsyncIterable<string>,
  signal: AbortSignal,
  options: CommandOptions,
): Promise<void> {
  signal.throwIfAborted()
  const child = start(options)
  const words = new Words()
  const cleanUp: (() => void)[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(failed(options.command, why, words.text))
      child.once('error', (error) => reject(cannotRun(options.command, error)))
      child.once('exit', (code, killedBy) => {
        if (code === 0) return resolve()
        const why = code === null ? `killed by ${killedBy}` : `exit status ${code}`
        child.once('close', () => fail(why))
        cleanUp.push(options.clock.setTimer(LAST_WORDS_MS, () => fail(why)))
      })
      words.listen(child.stderr, () => fail(`it wrote more than ${MOST_OUTPUT_BYTES} bytes to standard error`))
      let cancelPause = () => {}
      const goesOn = () => {
        cancelPause()
        cancelPause = options.clock.setTimer(MOST_PAUSE_MS, () =>
          fail(`it neither read on nor ended for ${MOST_PAUSE_MS / 1000} s`),
        )
      }
      goesOn()
      cleanUp.push(
        () => cancelPause(),
        options.clock.setTimer(MOST_COMMAND_MS, () => fail(`it did not end within ${MOST_COMMAND_MS / 1000} s`)),
        onAbort(signal, () => fail('it was given up')),
      )
      feed(child, lines, goesOn).catch(reject)
    })
  } finally {
    for (const end of cleanUp) end()
    endGroup(child)
  }
}

function start({ command, stateDirectory }: CommandOptions): ChildProcess {
  const [program = '', ...args] = command
  try {
    const as = otherOwnerOf(stateDirectory)
    return spawn(program, args, {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'pipe'],
      env: TOOL_ENVIRONMENT,
      // A process group of its own, so that all of it can be ended.
      detached: true,
      ...(as === undefined ? {} : { uid: as.uid, gid: as.gid }),
    })
  } catch (error) {
    throw cannotRun(command, error)
  }
}

/** Writes the lines. Rejects only where they cannot be made: a program that does not read them shows that by its exit status. */
async function feed({ stdin }: ChildProcess, lines: AsyncIterable<string>, onRead: () => void): Promise<void> {
  if (stdin === null || stdin === undefined) return
  stdin.on('error', () => {})
  let problem: { readonly error: unknown } | undefined
  // What fails while a line is being written is thrown into the generator, too: that is the program's.
  let isWriting = false
  async function* watched() {
    try {
      for await (const line of lines) {
        isWriting = true
        yield line
        isWriting = false
        if (!stdin?.destroyed) onRead()
      }
    } catch (error) {
      if (!isWriting) problem = { error }
      throw error
    }
  }
  await pipeline(Readable.from(watched()), stdin).catch(() => {})
  if (problem !== undefined) throw problem.error
}

/** What the program says on standard error: the beginning is kept, the rest is counted. */
class Words {
  #said = ''
  #bytes = 0

  get text(): string {
    return escapeForTerminal(this.#said.trim().replace(/\n/g, '; ').slice(0, MOST_WORDS))
  }

  listen(stderr: Readable | null | undefined, onTooMuch: () => void): void {
    stderr?.on('error', () => {})
    stderr?.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length
      if (this.#said.length < MOST_WORDS) this.#said += chunk.toString('latin1', 0, MOST_WORDS)
      if (this.#bytes > MOST_OUTPUT_BYTES) onTooMuch()
    })
  }
}

function onAbort(signal: AbortSignal, listener: () => void): () => void {
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

// A process that has ended is not signaled: its number may be another's.
function endGroup(child: ChildProcess): void {
  child.stdin?.destroy()
  child.stderr?.destroy()
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

function failed([program]: readonly string[], why: string, said: string): PublishError {
  return new PublishError(`${program} did not take the changes: ${why}${said === '' ? '' : `: ${said}`}`, {
    retryable: true,
    mend: 'it is told everything anew at the next try; docs/command.md says what it is given and what it must answer',
  })
}

function cannotRun([program]: readonly string[], error: unknown): PublishError {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
  return new PublishError(`cannot run ${program}: ${reasonOf(error)}`, {
    retryable: true,
    mend: isMissing
      ? 'install it there, or name another under maps; a script needs the interpreter of its first line, too'
      : 'it must be executable for the user popauthd runs as',
    cause: error,
  })
}
