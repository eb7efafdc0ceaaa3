/** The receivers on real sockets: who gets in, what comes through, what a hostile sender can do. The clock is the test's. */
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CertificateFiles, TestAuthority } from '../../../test/support/authority.ts'
import { waitFor } from '../../../test/support/wait-for.ts'
import type { SyslogConfig } from '../../config/config.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { SourceNotice } from '../source.ts'
import { IDLE_MS, IDLE_WHEN_FULL_MS, STALL_MS, type StreamReceiver } from './stream-receiver.ts'
import { SyslogSource, type SyslogSourceOptions } from './syslog-source.ts'

const NOW = Date.parse('2026-11-22T13:36:00Z')
const message = (number: number) => `<22>Nov 22 13:35:56 mx test[${number}]: ${'.'.repeat(number % 70)}`
const counted = (text: string) => `${Buffer.byteLength(text)} ${text}`

let directory: string
let clock: ManualClock
let notices: SourceNotice[]
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
class Running {
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

async function open(config: SyslogConfig, more: Partial<SyslogSourceOptions> = {}): Promise<Running> {
  const running = new Running({ config, clock, notice: (notice) => notices.push(notice), ...more })
  await running.start()
  return running
}

const tcp = (address = '127.0.0.1', maxConnections = 10): SyslogConfig => ({
  transport: 'tcp',
  address,
  port: 0,
  maxConnections,
})
const udp = (address = '127.0.0.1'): SyslogConfig => ({ ...tcp(address), transport: 'udp' }) as SyslogConfig
const unix = (path = join(directory, 'syslog.sock')): SyslogConfig => {
  return { transport: 'unix', path, mode: 0o660, group: undefined, maxConnections: 10 }
}

/** A sender; `gone` resolves when its connection has ended, whoever ended it. */
async function sender(to: { port: number; host?: string } | { path: string }) {
  const socket = connect({ noDelay: true, port: 0, ...to })
  const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {}).resume()
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return { socket, gone }
}

/** Writes, and waits until the kernel has it. */
function write(socket: Socket, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()))
}

describe('over TCP', () => {
  it.each(['127.0.0.1', '::1'])('takes both framings, to %s', async (host) => {
    const running = await open(tcp(host))
    const { socket } = await sender({ port: running.port, host })
    await write(socket, `${message(1)}\n${counted(message(2))}${message(3)}\n${counted(`${message(4)}\n`)}`)
    expect(await running.read(4)).toEqual([1, 2, 3, 4].map(message))
    expect(running.source.counts).toMatchObject({ messages: 4, connections: 1 })
  })

  it('gives the same lines however they are split into segments', async () => {
    const running = await open(tcp())
    const frame = fc.tuple(fc.nat(200), fc.boolean()).map(([number, isCounted]) => ({
      line: message(number),
      bytes: isCounted ? counted(message(number)) : `${message(number)}\n`,
    }))
    let before = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 })),
        async (frames, sizes) => {
          const all = frames.map(({ bytes }) => bytes).join('')
          const { socket } = await sender({ port: running.port })
          for (let at = 0, turn = 0; at < all.length; turn++) {
            const size = sizes[turn % Math.max(1, sizes.length)] ?? all.length
            await write(socket, all.slice(at, at + size))
            await new Promise((resolve) => setImmediate(resolve))
            at += size
          }
          const lines = await running.read(before + frames.length)
          expect(lines.slice(before)).toEqual(frames.map(({ line }) => line))
          before += frames.length
          socket.destroy()
        },
      ),
      { numRuns: 25 },
    )
  })

  it('never makes two lines of one frame', async () => {
    const running = await open(tcp())
    const { socket } = await sender({ port: running.port })
    await write(socket, counted(`${message(1)}\n${message(2)}\r${message(3)}`) + counted(message(4)))
    const lines = await running.read(2)
    expect(lines[0]).toBe(`${message(1)}\0${message(2)}\0${message(3)}`)
    expect(lines[1]).toBe(message(4))
    expect(running.source.counts).toMatchObject({ messages: 2, with_control_characters: 1 })
  })

  it('leaves out what is too long, has no time or was cut by the end of its connection', async () => {
    const running = await open(tcp(), { maxFrameBytes: 200 })
    const { socket, gone } = await sender({ port: running.port })
    await write(
      socket,
      `${message(1).padEnd(201, 'x')}\n<22>mx test: no time\n${counted(message(2).padEnd(300, 'x'))}${message(3)}\n${message(4)}`,
    )
    socket.end()
    await gone
    const other = await sender({ port: running.port })
    await write(other.socket, `${message(5)}\n`)
    expect(await running.read(2)).toEqual([message(3), message(5)])
    expect(running.source.counts).toMatchObject({ messages: 2, too_long: 2, without_time: 1 })
    expect(notices.map(({ kind }) => kind)).toEqual(['opened', 'line_too_long', 'refused'])
  })

  it('closes a connection that speaks no syslog, and serves the others', async () => {
    const running = await open(tcp())
    const good = await sender({ port: running.port })
    for (const bytes of ['12 GET / HTTP/1.1\r\n', `${counted(message(1))}7 Nov 22 <`]) {
      const bad = await sender({ port: running.port })
      await write(bad.socket, bytes)
      await bad.gone
    }
    await write(good.socket, counted(message(2)))
    expect(await running.read(2)).toEqual([message(1), message(2)])
    expect(running.source.counts.connections_broken).toBe(2)
  })

  it('lets a sender wait while nobody asks for lines, holds little meanwhile, and loses nothing', async () => {
    const running = await open(tcp(), { inboxBytes: 64 * 1024 })
    const { socket } = await sender({ port: running.port })
    const one = `${message(69)}\n`
    const total = 200_000
    const sent = write(socket, one.repeat(total))
    let isSent = false
    void sent.then(() => {
      isSent = true
    })
    // Far more than kernels keep of a connection.
    await waitFor('a full inbox', () => running.source.counts.messages >= Math.floor(65_536 / one.length) || undefined)
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect(isSent).toBe(false)
    expect(running.source.counts.messages * one.length).toBeLessThanOrEqual(64 * 1024)
    const lines = await running.read(total)
    await sent
    expect(new Set(lines)).toEqual(new Set([message(69)]))
    expect(lines.length).toBe(total)
    expect(running.source.counts.dropped).toBe(0)
  })

  it('closes a sender that does not end its message in a minute, however it drips, and bears one that is silent', async () => {
    const running = await open(tcp())
    const slow = await sender({ port: running.port })
    const silent = await sender({ port: running.port })
    await write(slow.socket, '<22>Nov')
    await write(silent.socket, `${message(1)}\n`)
    await running.read(1)
    for (let dripped = 0; dripped < STALL_MS - 10_000; dripped += 10_000) {
      clock.advance(10_000)
      await write(slow.socket, 'x')
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(running.source.counts.connections_timed_out).toBe(0)
    clock.advance(20_000)
    await slow.gone
    await write(silent.socket, `${message(2)}\n`)
    expect(await running.read(2)).toEqual([message(1), message(2)])
    clock.advance(IDLE_MS - 20_000)
    expect(running.source.counts.connections_timed_out).toBe(1)
    clock.advance(20_000)
    await silent.gone
    expect(running.source.counts.connections_timed_out).toBe(2)
  })

  it('takes no more senders than allowed; while it is full, silent ones must go sooner', async () => {
    const running = await open(tcp('127.0.0.1', 2))
    const first = await sender({ port: running.port })
    const second = await sender({ port: running.port })
    const third = await sender({ port: running.port })
    await third.gone
    expect(running.source.counts).toMatchObject({ connections: 2, connections_refused: 1 })
    clock.advance(IDLE_WHEN_FULL_MS)
    await Promise.all([first.gone, second.gone])
    await waitFor('a place', () => (running.source.receiver as StreamReceiver).open === 0 || undefined)
    const fourth = await sender({ port: running.port })
    await write(fourth.socket, `${message(4)}\n`)
    expect(await running.read(1)).toEqual([message(4)])
  })

  it('gives at its end what it has read, whether asked before or not', async () => {
    const running = await open(tcp())
    const { socket, gone } = await sender({ port: running.port })
    const lines = [1, 2, 3].map((number) => `${message(number)}\n`).join('')
    await write(socket, lines)
    await waitFor('three messages', () => running.source.counts.messages === 3 || undefined)
    running.abort.abort()
    expect(await running.rest()).toBe(lines)
    await gone
  })

  it('says what to do where the port is taken or the address is not of this host', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    await expect(open({ ...tcp(), port } as SyslogConfig)).rejects.toThrow(
      /cannot listen for syslog on tcp 127.0.0.1 port \d+: already in use/,
    )
    await expect(open(tcp('192.0.2.200'))).rejects.toMatchObject({ mend: expect.stringContaining('ip address') })
    taken.close()
  })
})

describe('over a Unix socket', () => {
  it('takes messages, and nobody but owner and group may send any', async () => {
    const config = unix()
    const running = await open({ ...config, group: String(process.getgid?.() ?? 0) } as SyslogConfig)
    const path = join(directory, 'syslog.sock')
    expect(statSync(path).mode & 0o777).toBe(0o660)
    expect(statSync(path).gid).toBe(process.getgid?.())
    const { socket } = await sender({ path })
    await write(socket, `${message(1)}\n${counted(message(2))}`)
    expect(await running.read(2)).toEqual([1, 2].map(message))
    await running.stop()
    expect(existsSync(path)).toBe(false)
  })

  it('replaces a stale socket, and leaves a served one and a file alone', async () => {
    const path = join(directory, 'syslog.sock')
    const first = await open(unix())
    await expect(open(unix())).rejects.toThrow('already served by another process')
    const { socket } = await sender({ path })
    await write(socket, `${message(1)}\n`)
    expect(await first.read(1)).toEqual([message(1)])
    await first.stop()
    await leaveStaleSocket(path)
    const second = await open(unix())
    const again = await sender({ path })
    await write(again.socket, `${message(2)}\n`)
    expect(await second.read(1)).toEqual([message(2)])
    const file = join(directory, 'file')
    writeFileSync(file, 'mine')
    await expect(open(unix(file))).rejects.toThrow('something that is no socket')
  })
})

/** A socket whose server was killed. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { mustRun } = await import('../../../test/support/run.ts')
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await mustRun(process.execPath, ['-e', script]).catch(() => {})
  expect(statSync(path).isSocket()).toBe(true)
}

describe('over UDP', () => {
  it.each(['127.0.0.1', '::1'])('takes one message a datagram, to %s', async (host) => {
    const running = await open(udp(host))
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const send = (text: string) => new Promise((resolve) => socket.send(text, running.port, host, resolve))
    await send(message(1))
    await send(`${message(2)}\n`)
    await send(`${message(3)}\n${message(4)}`)
    await send('')
    await send('<22>no time')
    await send(counted(message(5)))
    await send(message(6).padEnd(20_000, 'x'))
    await send(message(7))
    expect(await running.read(4)).toEqual([message(1), message(2), `${message(3)}\0${message(4)}`, message(7)])
    expect(running.source.counts).toMatchObject({ messages: 4, without_time: 1, without_priority: 2, too_long: 1 })
    socket.close()
  })

  it('drops and counts what nobody has room for', async () => {
    const running = await open(udp(), { inboxBytes: 1000, maxFrameBytes: 500 })
    const socket = createSocket('udp4')
    for (let i = 0; i < 50; i++)
      await new Promise((resolve) => socket.send(message(69), running.port, '127.0.0.1', resolve))
    const { counts } = running.source
    await waitFor('all of them', () => counts.messages + counts.dropped === 50 || undefined)
    expect(counts.messages).toBe(Math.floor(1000 / (message(69).length + 1)))
    expect((await running.read(counts.messages)).every((line) => line === message(69))).toBe(true)
    expect(notices.filter(({ kind }) => kind === 'dropped').length).toBe(1)
    socket.close()
  })
})

describe('over TLS', () => {
  let authorities: string
  let ours: TestAuthority
  let theirs: TestAuthority
  let server: CertificateFiles
  let client: CertificateFiles

  beforeAll(async () => {
    authorities = mkdtempSync(join(tmpdir(), 'popauthd-authority-'))
    ours = await TestAuthority.make(join(authorities, 'ours'))
    theirs = await TestAuthority.make(join(authorities, 'theirs'))
    server = await ours.issue({ name: 'mx.example.net', alsoFor: ['IP:127.0.0.1'], usage: 'serverAuth' })
    client = await ours.issue({ name: 'pop.example.net', usage: 'clientAuth' })
  })

  afterAll(() => rmSync(authorities, { recursive: true }))

  const tls = (clientNames: readonly string[] = []): SyslogConfig => {
    const files = { ...server, clientCa: ours.certificate }
    return { transport: 'tls', address: '127.0.0.1', port: 0, maxConnections: 10, clientNames, ...files }
  }

  /** Sends over TLS as this client; `gone` resolves when the connection is over. */
  async function tlsSender(running: Running, who: CertificateFiles | undefined, bytes: string) {
    const { readFileSync } = await import('node:fs')
    const files = who && { cert: readFileSync(who.certificate), key: readFileSync(who.key) }
    const socket = connectTls({ host: '127.0.0.1', port: running.port, ca: readFileSync(ours.certificate), ...files })
    const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => {}).resume()
    socket.write(bytes)
    return { socket, gone }
  }

  it('takes counted frames of senders that have a certificate', async () => {
    const running = await open(tls(['other.example.net', 'pop.example.net']))
    const { socket } = await tlsSender(running, client, counted(message(1)) + counted(message(2)))
    expect(await running.read(2)).toEqual([1, 2].map(message))
    expect(running.source.counts).toMatchObject({ messages: 2, connections: 1, connections_refused: 0 })
    socket.destroy()
  })

  it('takes nothing of a sender without one, with one of somebody else, for a server, whose time is over, or of another name', async () => {
    const running = await open(tls(['pop.example.net']))
    const senders = [
      undefined,
      await theirs.issue({ name: 'pop.example.net', usage: 'clientAuth' }),
      await ours.issue({ name: 'pop.example.net', usage: 'serverAuth' }),
      await ours.issue({ name: 'pop.example.net', usage: 'clientAuth', expired: true }),
      await ours.issue({ name: 'www.example.net', usage: 'clientAuth' }),
      await ours.issue({ name: '*.example.net', usage: 'clientAuth' }),
    ]
    for (const who of senders) {
      const { gone } = await tlsSender(running, who, counted(message(1)))
      await gone
    }
    expect(running.source.counts).toMatchObject({ messages: 0, connections: 0, connections_refused: senders.length })
    await tlsSender(running, client, counted(message(2)))
    expect(await running.read(1)).toEqual([message(2)])
  })

  it('takes no lines that LF ends, nor anything that is no TLS', async () => {
    const running = await open(tls())
    const { gone } = await tlsSender(running, client, `${message(1)}\n`)
    await gone
    const plain = await sender({ port: running.port })
    await write(plain.socket, counted(message(1)))
    await plain.gone
    expect(running.source.counts).toMatchObject({ messages: 0, connections_broken: 1, connections_refused: 1 })
    expect(notices.at(-2)?.detail).toContain('octet counting')
  })

  it('ends at once, also while somebody stands in a handshake', async () => {
    const running = await open(tls())
    const { gone } = await sender({ port: running.port })
    running.abort.abort()
    expect(await running.rest()).toBe('')
    await gone
  })

  it('says which file cannot be used', async () => {
    await expect(open({ ...tls(), key: join(directory, 'absent.key') } as SyslogConfig)).rejects.toThrow(
      'absent.key: no such file',
    )
    await expect(open({ ...tls(), key: client.key } as SyslogConfig)).rejects.toMatchObject({
      mend: expect.stringContaining('that of the certificate'),
    })
  })
})
