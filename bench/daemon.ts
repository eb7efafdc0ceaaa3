/** The real daemon as a process of its own, following a log, with a table prepared for it; and a client of its socket map. */
import { type ChildProcess, spawn } from 'node:child_process'
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

/** A daemon under measurement. */
export interface BenchDaemon extends AsyncDisposable {
  /** The log that it follows; empty at first. */
  readonly logPath: string
  readonly socketPath: string
  /** Kilobytes of anonymous memory now (RssAnon of proc(5)), and of all resident memory with the file's pages. */
  memory(): { anonymousKb: number; residentKb: number }
}

/** Starts it in `directory` with `entries` live addresses. It resolves when the daemon answers lookups. */
export async function startDaemon(directory: string, entries: number): Promise<BenchDaemon> {
  const [state, logPath] = [join(directory, 'state'), join(directory, 'mail.log')]
  const socketPath = join(directory, 'sendmail.sock')
  await (await filledTable(state, entries, systemClock))[Symbol.asyncDispose]()
  writeFileSync(logPath, '')
  const config = join(directory, 'popauthd.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      state_directory: state,
      window_seconds: WINDOW_SECONDS,
      sources: [{ file: logPath }],
      socketmap: { socket: socketPath },
      control: { socket: join(directory, 'control.sock') },
    }),
  )
  const child = spawn(process.execPath, [PROGRAM, '--config', config, 'run'], { stdio: ['ignore', 'ignore', 'pipe'] })
  await ready(child)
  return {
    logPath,
    socketPath,
    memory: () => memoryOf(child.pid as number),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

async function ready(child: ChildProcess): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    if (said.length < 1e6) said += chunk.toString()
  })
  for (const untilMs = Date.now() + READY_TIMEOUT_MS; !said.includes('"following"'); await pause(20)) {
    if (child.exitCode !== null || Date.now() > untilMs) throw new Error(`the daemon does not start: ${said}`)
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
