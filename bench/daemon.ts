/** The real daemon as a process of its own, following a log, with a table prepared for it; and a client of its socket map. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../src/lib/clock.ts'
import { encodeNetstring, NetstringDecoder } from '../src/lib/netstring.ts'
import { filledTable, WINDOW_SECONDS } from './filled-table.ts'
import { PROGRAM } from './measure.ts'

const READY_TIMEOUT_MS = 60_000
/** What the daemon says once it has read all. */
const READY = '"following"'
/** Of what it says, so much is kept until then. */
const MOST_KEPT = 100_000

/** Where a daemon that is measured keeps its things; it can be stopped and started again. */
export interface BenchHost {
  /** The log that it follows; empty at first. */
  readonly logPath: string
  /** A second log that it follows. */
  readonly livePath: string
  readonly controlPath: string
  readonly socketPath: string
  /** Starts the daemon. It resolves at once: {@link BenchDaemon.ready} tells when all of the log is read. */
  spawn(): BenchDaemon
}

/** A daemon under measurement. */
export interface BenchDaemon extends AsyncDisposable {
  readonly pid: number
  readonly logPath: string
  readonly livePath: string
  readonly controlPath: string
  readonly socketPath: string
  /** Resolves when it answers lookups and has read its log to the end. @throws {Error} with what it said, where it ends or takes longer than `timeoutMs` */
  ready(timeoutMs?: number): Promise<void>
  /** Bytes that it wrote to its own log so far. */
  readonly saidBytes: number
  /** Kilobytes of anonymous memory now (RssAnon of proc(5)), and of all resident memory with the file's pages. */
  memory(): { anonymousKb: number; residentKb: number }
}

/** Prepares a daemon in `directory` with `entries` live addresses, and with these options beside what every measurement has. */
export async function prepareHost(
  directory: string,
  entries: number,
  options: Readonly<Record<string, unknown>> = {},
): Promise<BenchHost> {
  const [state, logPath, livePath] = [
    join(directory, 'state'),
    join(directory, 'mail.log'),
    join(directory, 'live.log'),
  ]
  const [socketPath, controlPath] = [join(directory, 'sendmail.sock'), join(directory, 'control.sock')]
  await (await filledTable(state, entries, systemClock))[Symbol.asyncDispose]()
  for (const path of [logPath, livePath]) writeFileSync(path, '')
  const config = join(directory, 'popauthd.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      state_directory: state,
      window_seconds: WINDOW_SECONDS,
      sources: [logPath, livePath].map((file) => ({ file, timezone: 'UTC' })),
      socketmap: { socket: socketPath },
      control: { socket: controlPath },
      ...options,
    }),
  )
  const places = { logPath, livePath, controlPath, socketPath }
  return { ...places, spawn: () => spawnDaemon(config, places) }
}

/** Starts a daemon in `directory` with `entries` live addresses. It resolves when the daemon answers lookups. */
export async function startDaemon(directory: string, entries: number): Promise<BenchDaemon> {
  const daemon = (await prepareHost(directory, entries)).spawn()
  await daemon.ready()
  return daemon
}

function spawnDaemon(config: string, places: Omit<BenchHost, 'spawn'>): BenchDaemon {
  const child = spawn(process.execPath, [PROGRAM, '--config', config, 'run'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  let saidBytes = 0
  child.stderr.on('data', (chunk: Buffer) => {
    saidBytes += chunk.length
    if (!said.includes(READY)) said = (said + chunk.toString()).slice(-MOST_KEPT)
  })
  return {
    ...places,
    pid: child.pid as number,
    get saidBytes() {
      return saidBytes
    },
    memory: () => memoryOf(child.pid as number),
    async ready(timeoutMs = READY_TIMEOUT_MS) {
      for (const untilMs = Date.now() + timeoutMs; !said.includes(READY); await pause(5)) {
        if (child.exitCode !== null || Date.now() > untilMs) throw new Error(`the daemon does not start: ${said}`)
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

function memoryOf(pid: number): { anonymousKb: number; residentKb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  return { anonymousKb: kilobytes('RssAnon'), residentKb: kilobytes('VmRSS') }
}

/** Asks one question after the other on one connection, as a sendmail process does. */
export class SocketmapClient implements Disposable {
  readonly #socket: Socket
  readonly #decoder = new NetstringDecoder(10_000)
  #answered: (answer: string) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      for (const answer of this.#decoder.push(chunk).payloads) this.#answered(answer)
    })
  }

  static async connect(path: string): Promise<SocketmapClient> {
    const socket = createConnection(path)
    await once(socket, 'connect')
    return new SocketmapClient(socket)
  }

  /** True where the address may relay. */
  mayRelay(address: string): Promise<boolean> {
    return new Promise((resolve) => {
      this.#answered = (answer) => resolve(answer === 'OK RELAY')
      this.#socket.write(encodeNetstring(`popauth connect:${address}`), 'latin1')
    })
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
