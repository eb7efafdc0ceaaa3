// Syslog receivers on real sockets and senders to them, for each test anew. The clock is the test's. Importing this sets them up.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SyslogConfig } from '../../src/config/config.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import type { SourceNotice } from '../../src/sources/source.ts'
import type { StreamReceiver } from '../../src/sources/syslog/stream-receiver.ts'
import { SyslogSource, type SyslogSourceOptions } from '../../src/sources/syslog/syslog-source.ts'

const NOW = Date.parse('2026-11-22T13:36:00Z')
/** A message without its end. */
export const message = (number: number) => `<22>Nov 22 13:35:56 mx test[${number}]: ${'.'.repeat(number % 70)}`
/** As an octet-counted frame. */
export const counted = (text: string) => `${Buffer.byteLength(text)} ${text}`

/** Where sockets of this test lie. */
export let directory: string
export let clock: ManualClock
/** What the receivers told. */
export let notices: SourceNotice[]
const opened: Running[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-syslog-'))
  clock = new ManualClock(NOW)
  notices = []
})

afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop()
  rmSync(directory, { recursive: true })
})

/** A source that is listening. Its lines are read by {@link read}, or not at all. */
export class Running {
  readonly source: SyslogSource
  readonly abort = new AbortController()
  readonly #iterator: AsyncIterator<{ readonly bytes: Buffer }>
  #lines = 0
  text = ''

  constructor(options: SyslogSourceOptions) {
    this.source = new SyslogSource(options)
    this.#iterator = this.source.chunks(undefined, this.abort.signal)[Symbol.asyncIterator]()
    opened.push(this)
  }

  async start(): Promise<void> {
    expect((await this.#iterator.next()).value).toMatchObject({ caughtUp: true, format: 'lines' })
  }

  get port(): number {
    return (this.source.receiver as StreamReceiver).port
  }

  /** Reads until so many lines have come in all. */
  async read(count: number): Promise<string[]> {
    while (this.#lines < count) {
      const { value, done } = await this.#iterator.next()
      if (done === true) throw new Error(`the source ended after ${JSON.stringify(this.text)}`)
      const text = value.bytes.toString('latin1')
      this.#lines += text.split('\n').length - 1
      this.text += text
    }
    return this.text.split('\n').slice(0, -1)
  }

  /** Reads to the end. */
  async rest(): Promise<string> {
    let text = ''
    for (;;) {
      const { value, done } = await this.#iterator.next()
      if (done === true) return text
      text += value.bytes.toString('latin1')
    }
  }

  async stop(): Promise<void> {
    this.abort.abort()
    await this.source[Symbol.asyncDispose]()
  }
}

/** A receiver that listens; stopped at the end of the test. */
export async function open(config: SyslogConfig, more: Partial<SyslogSourceOptions> = {}): Promise<Running> {
  const running = new Running({ config, clock, notice: (notice) => notices.push(notice), ...more })
  await running.start()
  return running
}

/** Receivers on a free port, and on a Unix socket. */
export const tcp = (address = '127.0.0.1', maxConnections = 10): SyslogConfig => ({
  transport: 'tcp',
  address,
  port: 0,
  maxConnections,
})
export const udp = (address = '127.0.0.1'): SyslogConfig => ({ ...tcp(address), transport: 'udp' }) as SyslogConfig
export const unix = (path = join(directory, 'syslog.sock')): SyslogConfig => {
  return { transport: 'unix', path, mode: 0o660, group: undefined, maxConnections: 10 }
}

/** A sender; `gone` resolves when its connection has ended, whoever ended it. */
export async function sender(to: { port: number; host?: string } | { path: string }) {
  const socket = connect({ noDelay: true, port: 0, ...to })
  const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {}).resume()
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return { socket, gone }
}

/** Writes, and waits until the kernel has it. */
export function write(socket: Socket, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()))
}
