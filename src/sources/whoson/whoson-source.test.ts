/** Whoson's LOGIN and LOGOUT on real sockets: what is taken, when it is answered, and the end. The clock is the test's. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CertificateFiles, TestAuthority } from '../../../test/support/authority.ts'
import type { ProvenConfig } from '../../config/config.ts'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { SourceChunk, SourceNotice } from '../source.ts'
import { STALL_MS } from '../stream-listener.ts'
import { WhosonSource } from './whoson-source.ts'

const NOW = Date.parse('2026-11-22T13:36:00Z')
const RECORDED = '+LOGIN recorded\r\n\r\n'
const OUT = '+LOGOUT recorded\r\n\r\n'

let directory: string
let path: string
let clock: ManualClock
let notices: SourceNotice[]
const running: Running[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-whoson-'))
  path = join(directory, 'login.sock')
  clock = new ManualClock(NOW)
  notices = []
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
  rmSync(directory, { recursive: true })
})

const unix = (): ProvenConfig => ({ transport: 'unix', path, mode: 0o660, group: undefined, maxConnections: 5 })

/** A source whose chunks are taken as an intake takes them: the next once `gate` resolves. Its QUERY knows what was taken. */
class Running {
  readonly source: WhosonSource
  readonly chunks: SourceChunk[] = []
  readonly abort = new AbortController()
  readonly ready: Promise<void>
  readonly done: Promise<void>
  gate: Promise<void> = Promise.resolve()
  readonly #users = new Map<ClientAddress, string>()

  constructor(config: ProvenConfig, mostWaiting?: number) {
    const lookup = (address: ClientAddress): Verdict => {
      const user = this.#users.get(address)
      return user === undefined
        ? { authorized: false, reason: 'unknown', detail: '' }
        : { authorized: true, reason: 'login', detail: '', user }
    }
    const notice = (one: SourceNotice) => void notices.push(one)
    this.source = new WhosonSource({ config, clock, notice, lookup, ...(mostWaiting && { mostWaiting }) })
    let isReady = () => {}
    this.ready = new Promise((resolve) => {
      isReady = resolve
    })
    this.done = this.#read(() => isReady())
    running.push(this)
  }

  async #read(isReady: () => void): Promise<void> {
    for await (const chunk of this.source.chunks(undefined, this.abort.signal)) {
      this.chunks.push(chunk)
      isReady()
      await this.gate
      for (const { address, user } of chunk.logins ?? []) this.#users.set(address, user)
      for (const { address } of chunk.ended ?? []) this.#users.delete(address)
    }
  }

  /** What was told, in order. */
  get told(): string[] {
    return this.chunks.flatMap(({ logins = [], ended = [] }) => [
      ...logins.map(({ user, address }) => `${user} ${address}`),
      ...ended.map(({ address }) => `- ${address}`),
    ])
  }

  async stop(): Promise<void> {
    this.abort.abort()
    await this.done
    await this.source[Symbol.asyncDispose]()
  }
}

async function start(config = unix(), mostWaiting?: number): Promise<Running> {
  const one = new Running(config, mostWaiting)
  await Promise.race([one.ready, one.done])
  return one
}

/** A client; `heard` are the answers so far. */
class Client {
  readonly socket: Socket
  readonly gone: Promise<void>
  heard = ''
  #watchers: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.heard += text
      for (const watcher of this.#watchers.splice(0)) watcher()
    })
    socket.on('error', () => {})
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        resolve()
        for (const watcher of this.#watchers.splice(0)) watcher()
      })
    })
  }

  /** Says `text` and waits for so many bytes of answers. */
  async say(text: string, answer: string): Promise<void> {
    const wanted = this.heard + answer
    this.socket.write(Buffer.from(text, 'latin1'))
    await this.hears(wanted)
  }

  async hears(wanted: string): Promise<void> {
    while (this.heard.length < wanted.length && !this.socket.closed)
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    expect(this.heard).toBe(wanted)
  }
}

const dial = () => new Client(connect(path))

describe('over a Unix socket', () => {
  it('records a LOGIN with the time of its receipt, and answers then', async () => {
    const one = await start()
    expect(statSync(path).mode & 0o777).toBe(0o660)
    const client = dial()
    await client.say('LOGIN 192.0.2.1 alice@example.net\r\n\r\n', RECORDED)
    const login = { user: 'alice@example.net', address: '192.0.2.1', service: 'any', server: 'whoson', atMs: NOW }
    expect(one.chunks.map(({ logins, ended, caughtUp }) => ({ logins, ended, caughtUp }))).toEqual([
      { logins: [], caughtUp: true },
      { logins: [login], caughtUp: true },
    ])
    client.socket.destroy()
  })

  it('answers no LOGIN before it is committed, and a QUERY behind it after that', async () => {
    const one = await start()
    let release = () => {}
    one.gate = new Promise((resolve) => {
      release = resolve
    })
    const client = dial()
    client.socket.write('LOGIN 192.0.2.1 alice\r\n\r\nx\r\n\r\nQUERY 192.0.2.1\r\n\r\n')
    const other = dial()
    await other.say('QUERY 192.0.2.1\r\n\r\n', '-not logged in\r\n\r\n')
    expect(client.heard).toBe('')
    release()
    await client.hears(`${RECORDED}*no such command\r\n\r\n+alice\r\n\r\n`)
    for (const { socket } of [client, other]) socket.destroy()
  })

  it('keeps LOGIN and LOGOUT in their order, in batches', async () => {
    const one = await start()
    const client = dial()
    const commands = [
      'LOGIN 192.0.2.1 a',
      'LOGIN 192.0.2.2 b',
      'LOGOUT 192.0.2.1',
      'LOGIN 192.0.2.1 c',
      'QUERY 192.0.2.1',
    ]
    await client.say(
      commands.map((command) => `${command}\r\n\r\n`).join(''),
      `${RECORDED}${RECORDED}${OUT}${RECORDED}+c\r\n\r\n`,
    )
    expect(one.told).toEqual(['a 192.0.2.1', 'b 192.0.2.2', '- 192.0.2.1', 'c 192.0.2.1'])
    for (const { logins, ended } of one.chunks) expect((logins === undefined) !== (ended === undefined)).toBe(true)
    expect(one.source.counts).toMatchObject({ logins: 3, logouts: 1, queries: 1, connections: 1 })
    client.socket.destroy()
  })

  it('lets the address stand for a user who is not told', async () => {
    const one = await start()
    const client = dial()
    await client.say('LOGIN ::ffff:192.0.2.1\r\n\r\nLOGIN 2001:DB8::7\r\n\r\n', RECORDED + RECORDED)
    expect(one.told).toEqual(['192.0.2.1 192.0.2.1', '2001:db8::7 2001:db8::7'])
    client.socket.destroy()
  })

  it('answers who has shut its side down, and ends with QUIT', async () => {
    await start()
    const half = dial()
    half.socket.end('LOGIN 192.0.2.1 alice\r\n\r\n')
    await half.hears(RECORDED)
    await half.gone
    const quitting = dial()
    await quitting.say('QUIT\r\n\r\nLOGIN 192.0.2.2 bob\r\n\r\n', '+bye\r\n\r\n')
    await quitting.gone
    expect(running[0]?.told).toEqual(['alice 192.0.2.1'])
  })

  it('records nothing of what is cut, or is no command, and tells of that seldom', async () => {
    const one = await start()
    const client = dial()
    const wrong = [
      'LOGIN alice 192.0.2.1',
      'LOGIN 192.0.2.1 \xff',
      'LOGIN 192.0.2.1 a\0',
      'LOGIN 192.0.2.1 a\r\nLOGIN 192.0.2.2 b',
    ]
    for (const command of wrong) client.socket.write(Buffer.from(`${command}\r\n\r\n`, 'latin1'))
    client.socket.write(`LOGIN 192.0.2.3 ${'x'.repeat(100_000)}\r\n\r\n`)
    await client.say(
      'LOGIN 192.0.2.4 dave\r\n\r\n',
      [
        '*no IP address',
        '*no user name',
        '*a control character',
        '*more than one line',
        '*a line that is too long',
        '+LOGIN recorded',
      ]
        .map((line) => `${line}\r\n\r\n`)
        .join(''),
    )
    client.socket.end('LOGIN 192.0.2.5 erin\r\n')
    await client.gone
    expect(one.told).toEqual(['dave 192.0.2.4'])
    expect(one.source.counts.refused).toBe(5)
    expect(notices.filter(({ kind }) => kind === 'refused')).toHaveLength(1)
  })

  it('bears any bytes, and records logins only of whole commands', async () => {
    const one = await start()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (noise) => {
        const client = dial()
        client.socket.write(noise)
        client.socket.end()
        await client.gone
        expect(client.heard.replaceAll(/[+*-][ -~]{0,64}\r\n\r\n/g, '')).toBe('')
      }),
      { numRuns: 150 },
    )
    const client = dial()
    await client.say('LOGIN 192.0.2.1 alice\r\n\r\n', RECORDED)
    expect(one.told).toEqual(['alice 192.0.2.1'])
    client.socket.destroy()
  })

  it('says that nothing was recorded where that takes too long, or there is no room', async () => {
    const one = await start(unix(), 1)
    one.gate = new Promise(() => {})
    const [slow, full] = [dial(), dial()]
    slow.socket.write('LOGIN 192.0.2.1 alice\r\n\r\n')
    while (one.told.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await full.say('LOGOUT 192.0.2.2\r\n\r\n', '*LOGOUT is not recorded, try again\r\n\r\n')
    clock.advance(2000)
    await slow.hears('*LOGIN is not recorded yet\r\n\r\n')
    expect(one.source.counts.dropped).toBe(1)
    for (const { socket } of [slow, full]) socket.destroy()
    one.abort.abort()
    running.splice(0)
  })

  it('closes who does not end a command', async () => {
    const one = await start()
    const client = dial()
    await client.say('QUERY 192.0.2.1\r\n\r\nLOGIN 192.0', '-not logged in\r\n\r\n')
    clock.advance(STALL_MS + 20_000)
    await client.gone
    expect(one.source.counts.connections_timed_out).toBe(1)
  })

  it('closes who does not read its answers', async () => {
    const one = await start()
    const client = dial()
    client.socket.pause()
    client.socket.write('x\n\n'.repeat(400_000))
    // Nothing more is read from it, once its answers fill the buffers.
    for (let read = 0, still = 0; read === 0 || still < 20; ) {
      await new Promise((resolve) => setImmediate(resolve))
      still = one.source.counts.refused === read ? still + 1 : 0
      read = one.source.counts.refused
    }
    expect(one.source.counts.refused).toBeLessThan(400_000)
    clock.advance(STALL_MS - 1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(one.source.counts.connections_timed_out).toBe(0)
    clock.advance(1)
    client.socket.resume()
    await client.gone
    expect(one.source.counts.connections_timed_out).toBe(1)
  })
})

describe('the end', () => {
  it('gives what was told, answers for it, and leaves nothing open', async () => {
    const one = await start()
    let release = () => {}
    one.gate = new Promise((resolve) => {
      release = resolve
    })
    const client = dial()
    client.socket.write('LOGIN 192.0.2.1 alice\r\n\r\n')
    while (one.told.length === 0) await new Promise((resolve) => setImmediate(resolve))
    one.abort.abort()
    release()
    await client.hears(RECORDED)
    client.socket.end()
    await one.done
    expect(one.told).toEqual(['alice 192.0.2.1'])
    expect(existsSync(path)).toBe(false)
  })
})

describe('over TLS', () => {
  it('hears only who has a certificate of the authority, and the name', async () => {
    const ours = await TestAuthority.make(join(directory, 'ours'))
    const theirs = await TestAuthority.make(join(directory, 'theirs'))
    const server = await ours.issue({ name: 'mx', alsoFor: ['IP:127.0.0.1'], usage: 'serverAuth' })
    const files = { ...server, clientCa: ours.certificate, clientNames: ['pop.example.net'] }
    const one = await start({ transport: 'tls', address: '127.0.0.1', port: 0, maxConnections: 5, ...files })
    const reach = (who: CertificateFiles | undefined) => {
      const own = who && { cert: readFileSync(who.certificate), key: readFileSync(who.key) }
      const ca = readFileSync(ours.certificate)
      return new Client(connectTls({ host: '127.0.0.1', port: one.source.port, ca, ...own }))
    }
    const strangers = [
      undefined,
      await theirs.issue({ name: 'pop.example.net', usage: 'clientAuth' }),
      await ours.issue({ name: 'www.example.net', usage: 'clientAuth' }),
    ]
    for (const who of strangers) {
      const stranger = reach(who)
      stranger.socket.write('LOGIN 192.0.2.66 mallory\r\n\r\n')
      await stranger.gone
      expect(stranger.heard).toBe('')
    }
    const plain = new Client(connect(one.source.port, '127.0.0.1'))
    plain.socket.write('LOGIN 192.0.2.66 mallory\r\n\r\n')
    await plain.gone
    const client = reach(await ours.issue({ name: 'pop.example.net', usage: 'clientAuth' }))
    await client.say('LOGIN 192.0.2.1 alice\r\n\r\nQUERY 192.0.2.1\r\n\r\n', `${RECORDED}+alice\r\n\r\n`)
    await client.say('QUIT\r\n\r\n', '+bye\r\n\r\n')
    await client.gone
    expect(one.told).toEqual(['alice 192.0.2.1'])
    expect(one.source.counts).toMatchObject({ connections: 1, connections_refused: 4 })
  })
})
