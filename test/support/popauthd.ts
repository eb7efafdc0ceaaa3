// Runs the built popauthd on the machine itself, with a configuration, state and sockets of its own below one directory.
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RunResult, run } from './run.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'

/** The program under test: `dist/main.js`, or what POPAUTHD_TEST_PROGRAM names. */
export const PROGRAM =
  process.env.POPAUTHD_TEST_PROGRAM ?? fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** How popauthd is set up. */
export interface PopauthdOptions {
  /** Where configuration, state and sockets go; made when it does not exist. */
  readonly directory: string
  /** Log files to follow, read in UTC. */
  readonly logs: readonly string[]
  /** Options as in the configuration file; groups are merged with what the test set-up needs. */
  readonly config?: Readonly<Record<string, unknown>>
  /** The lookup socket; by default `lookup.sock` in the directory. */
  readonly socketmap?: string
}

/** How the daemon is started. */
export interface StartOptions {
  /** A command line put before the program, for instance `['strace', '-f', ...]`. */
  readonly wrapper?: readonly string[]
  /** False: do not wait for `ready`. */
  readonly ready?: boolean
}

/** One line of the daemon's own log. */
export interface LogEvent {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly time: string
  readonly msg: string
  readonly [field: string]: unknown
}

/** One popauthd: start and stop it as often as needed. Disposing kills what still runs. */
export class Popauthd implements AsyncDisposable {
  readonly directory: string
  readonly configPath: string
  readonly stateDirectory: string
  readonly controlSocket: string
  readonly socketmap: string
  #options: PopauthdOptions
  #child: ChildProcess | undefined
  #ended: Promise<number> = Promise.resolve(0)
  #output = ''
  #events: LogEvent[] = []

  constructor(options: PopauthdOptions) {
    this.#options = options
    this.directory = options.directory
    this.configPath = join(options.directory, 'popauthd.yaml')
    this.stateDirectory = join(options.directory, 'state')
    this.controlSocket = join(options.directory, 'control.sock')
    this.socketmap = options.socketmap ?? join(options.directory, 'lookup.sock')
  }

  /** Writes the configuration; `changes` are merged into the one given at first and stay. */
  async configure(changes: Readonly<Record<string, unknown>> = {}): Promise<void> {
    this.#options = { ...this.#options, config: merged(this.#options.config ?? {}, changes) }
    const base = {
      state_directory: this.stateDirectory,
      window_seconds: 600,
      sources: this.#options.logs.map((file) => ({ file, timezone: 'UTC' })),
      control: { socket: this.controlSocket },
      socketmap: { enabled: true, socket: this.socketmap, mode: '0666' },
      log: { level: 'debug', format: 'json' },
    }
    await mkdir(this.directory, { recursive: true, mode: 0o755 })
    await writeFile(this.configPath, JSON.stringify(merged(base, this.#options.config ?? {}), null, 2))
  }

  /** Starts the daemon and waits until it has read what there is. @throws {Error} with its log when it ends instead */
  async start({ wrapper = [], ready = true }: StartOptions = {}): Promise<void> {
    if (this.running) throw new Error('popauthd runs already')
    await this.configure()
    const [file = '', ...args] = [...wrapper, process.execPath, PROGRAM, '--config', this.configPath, 'run']
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'pipe'] })
    this.#child = child
    this.#output = ''
    this.#events = []
    let rest = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('{')) this.#events.push(JSON.parse(line) as LogEvent)
    })
    this.#ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 255)))
    if (ready) await this.event('ready', {}, { timeoutMs: 20_000 })
  }

  /** True while the daemon runs. */
  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('popauthd has not been started')
    return this.#child.pid
  }

  /** All that the present (or last) daemon wrote to standard error. */
  get output(): string {
    return this.#output
  }

  /** Its own log so far; other lines of standard error are left out. */
  get events(): readonly LogEvent[] {
    return this.#events
  }

  /** Waits for an event with this message and these fields. @throws {Error} with the log when it does not come, or the daemon ended */
  async event(msg: string, fields: Readonly<Record<string, unknown>> = {}, options?: WaitOptions): Promise<LogEvent> {
    const find = () =>
      this.events.find(
        (event) => event.msg === msg && Object.entries(fields).every(([name, value]) => event[name] === value),
      )
    const probe = () => {
      const found = find()
      if (found === undefined && !this.running && find() === undefined) throw new Error('popauthd has ended')
      return found
    }
    try {
      return await waitFor(`the event "${msg}" ${JSON.stringify(fields)}`, probe, options)
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.message : String(error)}; its log:\n${this.#output.slice(-4000)}`,
      )
    }
  }

  /** Sends a signal to the process that was started (with a wrapper: to that one). */
  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  /** SIGTERM, then waits for the end. Resolves with the exit code, 255 after a signal. */
  async stop(): Promise<number> {
    if (this.running) this.signal('SIGTERM')
    return this.ended()
  }

  /** Stops it, and starts it with these changes of its configuration. @throws {Error} where it does not end with 0 */
  async restartWith(changes: Readonly<Record<string, unknown>>): Promise<void> {
    const code = await this.stop()
    if (code !== 0) throw new Error(`popauthd ended with ${code}; its log:\n${this.#output.slice(-4000)}`)
    await this.configure(changes)
    await this.start()
  }

  /** SIGKILL, then waits for the end. */
  async kill(): Promise<number> {
    if (this.running) this.signal('SIGKILL')
    return this.ended()
  }

  /** Waits until the daemon has ended. Resolves with the exit code, 255 after a signal. @throws {Error} when it runs on for 20 s */
  async ended(): Promise<number> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`popauthd does not end; its log:\n${this.#output.slice(-4000)}`)),
        20_000,
      )
    })
    try {
      return await Promise.race([this.#ended, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Runs a command of the same configuration to its end. */
  cli(...args: readonly string[]): Promise<RunResult> {
    return run(process.execPath, [PROGRAM, '--config', this.configPath, ...args])
  }

  /** Runs a command with --json and reads its answer. @throws {Error} where it exits with 2 or 3 */
  async ask<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.cli(...args, '--json')
    if (code > 1) throw new Error(`popauthd ${args.join(' ')}: exit ${code}: ${stderr}`)
    return JSON.parse(stdout) as T
  }

  /** The addresses that may relay now, sorted. */
  async openAddresses(): Promise<string[]> {
    const entries = await this.ask<{ readonly address: string }[]>('list')
    return entries.map(({ address }) => address).sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** A log that the test writes itself. */
export class TestLog {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Appends lines as one write. */
  async write(...lines: readonly string[]): Promise<void> {
    await appendFile(this.path, lines.map((line) => `${line}\n`).join(''))
  }
}

/** A login line of Qpopper, as popauthd knew it in 2002. `ageSeconds` dates it back from now (UTC). */
export function qpopperLine(user: string, address: string, ageSeconds = 0): string {
  const date = syslogDate(Date.now() - ageSeconds * 1000)
  return `${date} mx popper[2104]: (v4.1.0) POP login by user "${user}" at (host.example.org) ${address}`
}

/** A login line of Dovecot 2.3, dated in ISO 8601. */
export function dovecotLine(user: string, address: string, ageSeconds = 0): string {
  const date = new Date(Date.now() - ageSeconds * 1000).toISOString().replace(/Z$/, '000+00:00')
  return `${date} mx dovecot: imap-login: Login: user=<${user}>, method=PLAIN, rip=${address}, lip=192.0.2.25, mpid=4242, session=<x>`
}

/** A time as RFC 3164 writes it, in UTC. */
export function syslogDate(atMs: number): string {
  const [, day = '', month = '', , time = ''] = new Date(atMs).toUTCString().split(/,? /)
  return `${month} ${String(Number(day)).padStart(2, ' ')} ${time}`
}

function merged(base: Readonly<Record<string, unknown>>, over: Readonly<Record<string, unknown>>) {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const before = result[key]
    result[key] = isGroup(before) && isGroup(value) ? { ...before, ...value } : value
  }
  return result
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
