/** What `setup` and `doctor mta` see of the host: its programs, which they ask and never change anything with, and its files. */
import { spawn } from 'node:child_process'
import type { Stats } from 'node:fs'
import { lstat, readFile, stat } from 'node:fs/promises'
import { reasonOf } from '../errors.ts'

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
}

/** The host. Tests have one of their own. */
export interface Tools {
  /** Runs a program (no shell) to its end; undefined where there is none of that name. */
  run(command: readonly string[], options?: ToolOptions): Promise<ToolResult | undefined>
  /** The text of a file; undefined where there is none. @throws the system's error where it cannot be read */
  read(path: string): Promise<string | undefined>
  /** Of a file, through links; undefined where there is none. @throws the system's error */
  stat(path: string): Promise<Pick<Stats, 'mode' | 'uid' | 'gid' | 'isDirectory' | 'isSocket' | 'isFile'> | undefined>
  /** True where something has this name, also a link that leads nowhere yet. @throws the system's error */
  isThere(path: string): Promise<boolean>
}

const TIMEOUT_MS = 60_000
const MOST_OUTPUT_BYTES = 4 * 1024 * 1024
/** An MTA's own tools lie in sbin, which is not on everybody's path. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin', LC_ALL: 'C' }

/** This host. */
export const hostTools: Tools = {
  run,
  read: (path) => readFile(path, 'utf8').catch(ignoreMissing),
  stat: (path) => stat(path).catch(ignoreMissing),
  isThere: async (path) => (await lstat(path).catch(ignoreMissing)) !== undefined,
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
}

function run(command: readonly string[], options: ToolOptions = {}): Promise<ToolResult | undefined> {
  const [program = '', ...args] = command
  const { input = '', timeoutMs = TIMEOUT_MS, cwd = '/' } = options
  const env = { ...options.env, ...ENVIRONMENT }
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, timeout: timeoutMs, killSignal: 'SIGKILL', cwd })
    const texts = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (texts[name].length < MOST_OUTPUT_BYTES) texts[name] += text
      })
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ENOENT' ? undefined : { code: 255, stdout: '', stderr: reasonOf(error) })
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
