// Sources of login reports on real sockets, and what sends to them, for each test anew. Importing this sets them up.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Login } from '../../src/core/login.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { ReportSource, type ReportSourceOptions } from '../../src/sources/reports/report-source.ts'
import type { SourceChunk, SourceNotice } from '../../src/sources/source.ts'

export const SECRET = 'b5e1c0ffee-b5e1c0ffee'
/** Path to which Dovecot sends a report. */
export const POLICY = '/dovecot/policy?command=report'

/** Where socket and secret of this test lie. */
export let directory: string
export let socketPath: string
export let secretFile: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-reports-'))
  socketPath = join(directory, 'reports.sock')
  secretFile = join(directory, 'secret')
  writeFileSync(secretFile, `${SECRET}\n`)
  chmodSync(secretFile, 0o600)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A report by auth policy. */
export const policy = (user: string, changes: object = {}) =>
  JSON.stringify({
    login: user,
    remote: '198.51.100.7',
    protocol: 'pop3',
    success: true,
    policy_reject: false,
    ...changes,
  })
/** A report by event exporter. */
export const event = (user: string) =>
  JSON.stringify({
    event: 'auth_request_finished',
    end_time: '2026-11-22T20:53:43.003179Z',
    fields: { user, remote_ip: '198.51.100.7', protocol: 'imap', success: 'yes' },
  })

/** A running source; its reader takes the next chunk once `gate` resolves, as an intake does after its commit. */
export class Running implements AsyncDisposable {
  readonly notices: SourceNotice[] = []
  readonly logins: Login[] = []
  readonly chunks: SourceChunk[] = []
  readonly stop = new AbortController()
  readonly source: ReportSource
  readonly done: Promise<void>
  readonly ready: Promise<void>
  gate: Promise<void> = Promise.resolve()
  #ready = () => {}
  #watchers: (() => void)[] = []

  constructor(options: Partial<ReportSourceOptions> = {}) {
    this.source = new ReportSource({
      http: { host: '127.0.0.1', port: 0, secretFile },
      socket: { path: socketPath, mode: 0o660, group: undefined },
      clock: systemClock,
      notice: (notice) => {
        this.notices.push(notice)
        this.#changed()
      },
      ...options,
    })
    this.ready = new Promise((resolve) => {
      this.#ready = resolve
    })
    this.done = this.#read(this.source.chunks(undefined, this.stop.signal))
  }

  async #read(chunks: AsyncIterable<SourceChunk>): Promise<void> {
    for await (const chunk of chunks) {
      const { logins = [], bytes } = chunk
      this.chunks.push(chunk)
      expect(bytes).toHaveLength(0)
      this.#ready()
      this.logins.push(...logins)
      this.#changed()
      await this.gate
    }
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  /** Resolves once `holds` does. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#watchers.push(resolve))
  }

  /** What was counted, without the zeros. */
  get counts(): Record<string, number> {
    const some = Object.entries(this.source.counts).filter(([, count]) => count > 0)
    return Object.fromEntries(some.map(([name, count]) => [name.replace('reports_', ''), count]))
  }

  get users(): string[] {
    return this.logins.map(({ user }) => user)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort()
    await this.done
    await this.source[Symbol.asyncDispose]()
  }
}

/** A source that listens. */
export async function start(options: Partial<ReportSourceOptions> = {}): Promise<Running> {
  const running = new Running(options)
  await Promise.race([running.ready, running.done])
  return running
}

export interface Post {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly agent?: Agent
}

/** Sends a report over HTTP. */
export function post(
  running: Running,
  body: string | Buffer,
  options: Post = {},
): Promise<{ status: number; text: string }> {
  const { path = POLICY, method = 'POST', headers = { 'x-api-key': SECRET }, agent } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      { port: running.source.httpPort, path, method, headers, ...(agent && { agent }) },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}

/** A connection to the Unix socket. */
export function dial(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => resolve(socket))
    socket.once('error', reject)
  })
}
