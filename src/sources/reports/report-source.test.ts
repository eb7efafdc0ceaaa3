/** Reports through real sockets: what Dovecot sends, and what others may. */
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Login } from '../../core/login.ts'
import { SocketError, SourceError } from '../../errors.ts'
import { ManualClock, systemClock } from '../../lib/clock.ts'
import type { SourceChunk, SourceNotice } from '../source.ts'
import { ReportSource, type ReportSourceOptions } from './report-source.ts'

const SECRET = 'b5e1c0ffee-b5e1c0ffee'
const POLICY = '/dovecot/policy?command=report'

let directory: string
let socketPath: string
let secretFile: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-reports-'))
  socketPath = join(directory, 'reports.sock')
  secretFile = join(directory, 'secret')
  writeFileSync(secretFile, `${SECRET}\n`)
  chmodSync(secretFile, 0o600)
})
afterEach(() => rmSync(directory, { recursive: true }))

const policy = (user: string, changes: object = {}) =>
  JSON.stringify({
    login: user,
    remote: '198.51.100.7',
    protocol: 'pop3',
    success: true,
    policy_reject: false,
    ...changes,
  })
const event = (user: string) =>
  JSON.stringify({
    event: 'auth_request_finished',
    end_time: '2026-11-22T20:53:43.003179Z',
    fields: { user, remote_ip: '198.51.100.7', protocol: 'imap', success: 'yes' },
  })

/** A running source; its reader takes the next chunk once `gate` resolves, as an intake does after its commit. */
class Running implements AsyncDisposable {
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

async function start(options: Partial<ReportSourceOptions> = {}): Promise<Running> {
  const running = new Running(options)
  await Promise.race([running.ready, running.done])
  return running
}

interface Post {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly agent?: Agent
}

function post(running: Running, body: string | Buffer, options: Post = {}): Promise<{ status: number; text: string }> {
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

function dial(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => resolve(socket))
    socket.once('error', reject)
  })
}

describe('over HTTP', () => {
  it('takes a report and an event, and answers once they are recorded', async () => {
    await using running = await start()
    let release = () => {}
    running.gate = new Promise((resolve) => {
      release = resolve
    })
    let answered = false
    const answer = post(running, policy('alice')).finally(() => {
      answered = true
    })
    await running.until(() => running.users.length === 1)
    expect(answered).toBe(false)
    release()
    expect(await answer).toEqual({ status: 200, text: '{"status":0,"msg":""}' })
    expect((await post(running, event('bob'), { path: '/dovecot/event' })).status).toBe(200)
    expect(running.logins).toMatchObject([
      { user: 'alice', address: '198.51.100.7', service: 'pop3', server: 'dovecot' },
      { user: 'bob', service: 'imap', atMs: Date.parse('2026-11-22T20:53:43.003Z') },
    ])
  })

  it('gives the same as many in a row over one connection', async () => {
    await using running = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const users = Array.from({ length: 50 }, (_, i) => `user${i}`)
    const answers = await Promise.all(users.map((user) => post(running, policy(user), { agent })))
    agent.destroy()
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(running.users).toEqual(users)
  })

  it('says yes to every question whether a login is allowed, without a look at it', async () => {
    await using running = await start()
    for (const command of ['allow', 'other', '']) {
      const path = `/dovecot/policy?command=${command}`
      expect(await post(running, policy('alice'), { path })).toEqual({ status: 200, text: '{"status":0,"msg":""}' })
      expect((await post(running, 'x', { path })).status).toBe(200)
    }
    expect(running.users).toEqual([])
    expect(running.counts).toEqual({})
  })

  it('acknowledges what opens nothing', async () => {
    await using running = await start()
    for (const changes of [
      { success: false },
      { policy_reject: true },
      { protocol: 'submission' },
      { protocol: 'sieve' },
    ])
      expect((await post(running, policy('alice', changes))).status).toBe(200)
    expect(running.users).toEqual([])
    expect(running.counts).toEqual({ ignored: 4 })
    expect(running.notices.map(({ kind }) => kind)).toEqual(['opened'])
  })

  it.each([
    ['no secret', {}],
    ['another secret', { 'x-api-key': `${SECRET}x` }],
    ['a bare header', { authorization: SECRET }],
  ])('gives nothing for %s, whatever is asked', async (_name, headers) => {
    await using running = await start()
    for (const path of [POLICY, '/dovecot/policy?command=allow', '/dovecot/event', '/']) {
      expect((await post(running, policy('alice'), { headers, path })).status).toBe(401)
    }
    expect(running.users).toEqual([])
    expect(running.counts).toEqual({ unauthorized: 4 })
    expect(running.notices.filter(({ kind }) => kind === 'reports_refused')).toHaveLength(1)
    expect(JSON.stringify(running.notices)).not.toContain(SECRET)
  })

  it('refuses what is no report, and counts it', async () => {
    await using running = await start()
    expect((await post(running, 'alice')).status).toBe(400)
    expect((await post(running, policy('alice', { success: 'yes' }))).status).toBe(400)
    expect((await post(running, Buffer.from(policy('al\u00e9x'), 'latin1'))).status).toBe(400)
    expect((await post(running, event('alice'))).status).toBe(400)
    expect((await post(running, policy('alice'), { path: '/dovecot/event' })).status).toBe(400)
    expect((await post(running, policy('a'.repeat(16 * 1024)))).status).toBe(413)
    const chunked = { 'x-api-key': SECRET, 'transfer-encoding': 'chunked' }
    expect((await post(running, policy('a'.repeat(16 * 1024)), { headers: chunked })).status).toBe(413)
    expect(running.counts).toEqual({ malformed: 7 })
    expect((await post(running, policy('alice'), { path: '/dovecot/../etc/passwd' })).status).toBe(404)
    expect((await post(running, '', { method: 'GET' })).status).toBe(404)
    expect(running.users).toEqual([])
    expect((await post(running, policy('alice'))).status).toBe(200)
  })

  it('says so where nothing can be recorded, and takes what it has later', async () => {
    const clock = new ManualClock(Date.now())
    await using running = await start({ mostWaiting: 2, clock })
    let release = () => {}
    running.gate = new Promise((resolve) => {
      release = resolve
    })
    const first = post(running, policy('alice'))
    await running.until(() => running.users.length === 1)
    const second = post(running, policy('bob'))
    let isAnswered = false
    const both = Promise.all([first, second]).finally(() => {
      isAnswered = true
    })
    while (!isAnswered) {
      clock.advance(1000)
      await nextTurn()
    }
    expect((await both).map(({ status }) => status)).toEqual([503, 503])
    expect((await post(running, policy('carol'))).status).toBe(503)
    expect(running.counts).toEqual({ dropped: 1 })
    release()
    await running.until(() => running.users.length === 2)
    expect(running.users).toEqual(['alice', 'bob'])
  })

  it('outlives broken requests', async () => {
    await using running = await start()
    for (const text of [
      '\0\0\0',
      'POST',
      `POST ${POLICY} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{`,
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(running.source.httpPort ?? 0, '127.0.0.1', () => socket.end(text))
        socket.on('error', () => {}).resume()
        socket.once('close', () => resolve())
      })
    }
    const head = `POST ${POLICY} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${SECRET}\r\nContent-Length: 200\r\n\r\n{"login":`
    await new Promise<void>((resolve) => {
      const socket = connect(running.source.httpPort ?? 0, '127.0.0.1', () =>
        socket.write(head, () => socket.destroy()),
      )
      socket.once('close', () => resolve())
    })
    expect((await post(running, policy('alice'))).status).toBe(200)
    expect(running.users).toEqual(['alice'])
  })

  it('needs a port that is free and a secret that is kept', async () => {
    await using running = await start()
    const port = running.source.httpPort ?? 0
    const taken = new Running({ http: { host: '127.0.0.1', port, secretFile }, socket: undefined })
    await expect(taken.done).rejects.toThrow(SocketError)
    chmodSync(secretFile, 0o644)
    await expect(new Running({ socket: undefined }).done).rejects.toThrow(SourceError)
  })
})

describe('over the Unix socket', () => {
  it('takes a line as an event, however it is cut', async () => {
    await using running = await start({ http: undefined })
    expect(statSync(socketPath).mode & 0o777).toBe(0o660)
    const socket = await dial()
    const text = `${event('alice')}\n${event('bob')}\n`
    for (const piece of text.match(/[\s\S]{1,50}/g) ?? []) socket.write(piece)
    await running.until(() => running.users.length === 2)
    socket.destroy()
    const again = await dial()
    again.write(`\n${event('carol')}\n`)
    await running.until(() => running.users.length === 3)
    again.destroy()
    expect(running.users).toEqual(['alice', 'bob', 'carol'])
  })

  it('goes on after lines that are none, and after one that never ends', async () => {
    await using running = await start({ http: undefined })
    const socket = await dial()
    const noise = ['{}', 'x', policy('alice'), '\0'.repeat(9), '\xff\xfe', '['.repeat(9000)].map((one) => `${one}\n`)
    socket.write(Buffer.from(noise.join(''), 'latin1'))
    socket.write(`${'a'.repeat(200_000)}\n${event('bob')}\n`)
    await running.until(() => running.users.length === 1)
    expect(running.users).toEqual(['bob'])
    expect(running.counts).toEqual({ malformed: 7 })
    socket.destroy()
  })

  it('drops a line that was cut by the end of the connection', async () => {
    await using running = await start({ http: undefined })
    const socket = await dial()
    socket.end(event('alice'))
    await new Promise((resolve) => socket.resume().once('close', resolve))
    const next = await dial()
    next.write(`${event('bob')}\n`)
    await running.until(() => running.users.length === 1)
    expect(running.users).toEqual(['bob'])
    next.destroy()
  })
})

describe('its chunks', () => {
  it('begin with one that says that all was read, and keep a position that resumes nothing', async () => {
    await using running = await start()
    await post(running, policy('alice'))
    expect(running.chunks.map(({ caughtUp, logins }) => [caughtUp, logins?.length])).toEqual([
      [true, 0],
      [true, 1],
    ])
    for (const { position } of running.chunks) expect(JSON.parse(JSON.stringify(position))).toEqual({ v: 1 })
  })

  it('come from a source with a name that stays', async () => {
    const options = {
      clock: systemClock,
      notice: () => {},
      socket: { path: '/run/a.sock', mode: 0o660, group: undefined },
    }
    const http = { host: '::1', port: 8025, secretFile }
    expect(new ReportSource({ ...options, http }).id).toBe('dovecot_reports:[::1]:8025,/run/a.sock')
    expect(new ReportSource({ ...options, http: undefined }).id).toBe('dovecot_reports:/run/a.sock')
  })
})

describe('the end', () => {
  it('gives what was taken in, answers for it, and leaves nothing open', async () => {
    const running = await start()
    let release = () => {}
    running.gate = new Promise((resolve) => {
      release = resolve
    })
    const first = post(running, policy('alice'))
    await running.until(() => running.users.length === 1)
    const socket = await dial()
    socket.write(`${event('bob')}\n{}\n`)
    await running.until(() => running.counts.malformed === 1)
    running.stop.abort()
    release()
    await running.done
    expect(running.users).toEqual(['alice', 'bob'])
    expect((await first).status).toBe(200)
    await expect(post(running, policy('carol'))).rejects.toThrow()
    await expect(dial()).rejects.toThrow()
    socket.destroy()
    await running[Symbol.asyncDispose]()
  })

  it('comes at once where it is disposed of while it waits', async () => {
    const running = await start()
    await running.source[Symbol.asyncDispose]()
    await running.done
    await running.source[Symbol.asyncDispose]()
  })

  it('is not put off by idle connections', async () => {
    const running = await start()
    const idle = connect(running.source.httpPort ?? 0, '127.0.0.1')
    idle.on('error', () => {})
    await new Promise((resolve) => idle.once('connect', resolve))
    await running[Symbol.asyncDispose]()
    idle.destroy()
  })
})
