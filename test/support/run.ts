// Runs one program to its end and hands back everything it said. Used by the laboratory and by end-to-end tests.
import { spawn } from 'node:child_process'

/** What a finished program left behind. `code` is 255 when a signal ended it. */
export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** How to run it: bytes for its standard input, its time limit (30 s unless told), its environment. */
export interface RunOptions {
  readonly input?: string
  readonly timeoutMs?: number
  readonly env?: NodeJS.ProcessEnv
}

/** Runs `file` without a shell. Resolves whatever the exit code is; a signal (also of the time limit) gives 255. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: options.env ?? process.env,
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.on('error', (cause) => reject(new Error(`cannot run ${file}: ${cause.message}`, { cause })))
    child.on('close', (code) => resolve({ code: code ?? 255, stdout: text(stdout), stderr: text(stderr) }))
    child.stdin.on('error', () => {}) // a program that does not read its input is judged by its exit code
    child.stdin.end(options.input ?? '')
  })
}

/** As `run`, but an exit code other than 0 is an error that quotes what the program said. */
export async function mustRun(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(file, args, options)
  if (result.code === 0) return result.stdout
  const said = `${result.stdout}\n${result.stderr}`.trim().slice(-2000)
  throw new Error(`${[file, ...args].join(' ')}: exit ${result.code}: ${said}`)
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8')
}
