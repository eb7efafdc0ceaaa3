/** What `setup` and `doctor mta` see of the host: its programs, which they ask and never change anything with, and its files. */
import { isUtf8 } from 'node:buffer'
import { spawn } from 'node:child_process'
import { constants, type Stats } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'
import { PopauthdError, reasonOf } from '../errors.ts'
import type { Owner } from '../lib/directory-owner.ts'
import { TOOL_ENVIRONMENT } from '../publishers/run-tool.ts'

/** What a finished program said; `code` is 255 where a signal ended it (the time limit too). */
export interface ToolResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** How a program is run. */
export interface ToolOptions {
  /** Text for its standard input. */
  readonly input?: string
  readonly timeoutMs?: number
  /** Its working directory. */
  readonly cwd?: string
  /** Variables besides the usual ones. */
  readonly env?: Readonly<Record<string, string>>
  /** With whose rights, and with no others: heeded where root runs this. Its session is its own: it has no part in root's terminal. */
  readonly as?: Owner | undefined
}

/** The host. Tests have one of their own. */
export interface Tools {
  /** Runs a program (no shell) to its end; undefined where there is none of that name. */
  run(command: readonly string[], options?: ToolOptions): Promise<ToolResult | undefined>
  /** The text of a regular file, in the encoding that {@link encodingOf} tells; undefined where there is none. @throws {PopauthdError} where it cannot be read */
  read(path: string): Promise<string | undefined>
  /** Of a file, through links; undefined where there is none. @throws {PopauthdError} */
  stat(path: string): Promise<Pick<Stats, 'mode' | 'uid' | 'gid' | 'isDirectory' | 'isSocket' | 'isFile'> | undefined>
  /** True where something has this name, also a link that leads nowhere yet. @throws {PopauthdError} */
  isThere(path: string): Promise<boolean>
}

const TIMEOUT_MS = 60_000
const MOST_OUTPUT_BYTES = 4 * 1024 * 1024
/** What a program left running may keep its output open: its last words have this long. */
const LAST_WORDS_MS = 500

/** This host. */
export const hostTools: Tools = {
  run,
  read: (path) => unlessMissing(path, textOf(path)),
  stat: (path) => unlessMissing(path, stat(path)),
  isThere: async (path) => (await unlessMissing(path, lstat(path))) !== undefined,
}

/** How the bytes of a file are read as text, and written again: where they are no UTF-8, each one is a character, and none is lost. */
export function encodingOf(bytes: Buffer): 'utf8' | 'latin1' {
  return isUtf8(bytes) ? 'utf8' : 'latin1'
}

/** Whoever owns a directory may put a pipe where a file was: it is not waited for. */
async function textOf(path: string): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  if (!(await file.stat()).isFile()) throw new Error('it is no regular file')
  const bytes = await file.readFile()
  return bytes.toString(encodingOf(bytes))
}

async function unlessMissing<T>(path: string, looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new PopauthdError(`cannot look at ${path}: ${reasonOf(error)}`, { cause: error, mend: 'run this as root' })
  }
}

function run(command: readonly string[], options: ToolOptions = {}): Promise<ToolResult | undefined> {
  const [program = '', ...args] = command
  const { input = '', timeoutMs = TIMEOUT_MS, cwd = '/' } = options
  // An MTA's own tools lie in sbin, which is not on everybody's path.
  const env = { ...options.env, ...TOOL_ENVIRONMENT }
  // libuv clears the supplementary groups where it is given a user.
  const as = process.geteuid?.() === 0 && options.as !== undefined ? { ...options.as, detached: true } : {}
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, timeout: timeoutMs, killSignal: 'SIGKILL', cwd, ...as })
    const texts = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (texts[name].length < MOST_OUTPUT_BYTES) texts[name] += text
      })
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ENOENT' ? undefined : { code: 255, stdout: '', stderr: reasonOf(error) })
    })
    child.once('exit', () => {
      const timer = setTimeout(() => {
        for (const pipe of child.stdio) pipe?.destroy()
      }, LAST_WORDS_MS)
      child.once('close', () => clearTimeout(timer))
    })
    child.once('close', (code) => resolve({ code: code ?? 255, ...texts }))
    child.stdin.on('error', () => {}) // a program that does not read its input is judged by its exit code
    child.stdin.end(input)
  })
}

/** The last lines that a program said, for a message. */
export function saidBy({ code, stdout, stderr }: ToolResult): string {
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '')
  return lines.length === 0 ? `exit ${code}, and its log says why` : lines.slice(-5).join('; ').slice(-600)
}
