// What every responder must do, tried on its real socket: answer in order, from memory, and bound what a peer can make it hold.
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Verdict } from '../../src/core/authorization.ts'
import type { ClientAddress } from '../../src/core/client-address.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { encodeNetstring } from '../../src/lib/netstring.ts'
import type { Lookup, Responder } from '../../src/responders/responder.ts'
import { answerRequest } from '../../src/responders/socketmap/protocol.ts'
import { SocketmapServer, STALL_MS } from '../../src/responders/socketmap/socketmap-server.ts'

interface Subject {
  readonly make: (
    path: string,
    lookup: Lookup,
    clock: ManualClock,
    maxConnections: number,
  ) => Responder & { readonly open: number }
  /** The bytes that ask about an address, and the bytes of each answer. */
  readonly ask: (address: string) => string
  readonly relay: string
  readonly notFound: string
  readonly malformed: readonly string[]
  /** The beginning of a request. */
  readonly half: string
}

const subjects: Record<string, Subject> = {
  socketmap: {
    make: (path, lookup, clock, maxConnections) =>
      new SocketmapServer({ path, mode: 0o660, group: undefined, maxConnections, lookup, clock }),
    ask: (address) => encodeNetstring(`popauth connect:${address.includes(':') ? `ipv6:${address}` : address}`),
    relay: '8:OK RELAY,',
    notFound: '9:NOTFOUND ,',
    malformed: ['GET / HTTP/1.0\r\n\r\n', '3:abc;', '10001:', '99999999', '7:popauth,', '0:,', '-1:a,', '\r\n'],
    half: '27:popauth connect:19',
  },
}

const yes: Verdict = { authorized: true, reason: 'login', detail: '' }
const no: Verdict = { authorized: false, reason: 'unknown', detail: '' }

describe.each(Object.entries(subjects))('responder %s', (_name, subject) => {
  let directory: string
  let path: string
  let clock: ManualClock
  let responder: Responder & { readonly open: number }
  const open = new Set<string>()
  const lookup = (address: ClientAddress) => (open.has(address) ? yes : no)
  const sockets: Socket[] = []

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    path = join(directory, 'run', 'a.sock')
    clock = new ManualClock(1_000_000)
    open.clear()
    responder = subject.make(path, lookup, clock, 4)
    await responder.start()
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await responder[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  async function connect(): Promise<Socket> {
    const socket = createConnection(path)
    sockets.push(socket)
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }

  /** What arrives until `bytes` bytes are there or the peer closes. */
  function receive(socket: Socket, bytes: number): Promise<string> {
    return new Promise((resolve) => {
      let text = ''
      const take = (chunk: Buffer) => {
        text += chunk.toString('latin1')
        if (text.length >= bytes) done()
      }
      const done = () => {
        socket.off('data', take).off('close', done)
        resolve(text)
      }
      socket.on('data', take).once('close', done)
    })
  }
  const receiveAll = (socket: Socket) => receive(socket, Number.POSITIVE_INFINITY)

  async function exchange(socket: Socket, request: string, bytes: number): Promise<string> {
    const answer = receive(socket, bytes)
    socket.write(request, 'latin1')
    return answer
  }

  it('answers what the table says now', async () => {
    const socket = await connect()
    expect(await exchange(socket, subject.ask('192.0.2.1'), subject.notFound.length)).toBe(subject.notFound)
    open.add('192.0.2.1').add('2001:db8::1')
    expect(await exchange(socket, subject.ask('192.0.2.1'), subject.relay.length)).toBe(subject.relay)
    expect(await exchange(socket, subject.ask('2001:db8:0:0:0:0:0:1'), subject.relay.length)).toBe(subject.relay)
    open.clear()
    expect(await exchange(socket, subject.ask('192.0.2.1'), subject.notFound.length)).toBe(subject.notFound)
    expect(responder.counts).toEqual({ lookups: 4, authorized: 2, connections: 1 })
  })

  it('gives its socket the mode that was asked for', async () => {
    expect((await stat(path)).mode & 0o7777).toBe(0o660)
  })

  it('answers many requests of one write in their order', async () => {
    open.add('192.0.2.1')
    const socket = await connect()
    const requests = Array.from({ length: 3000 }, (_, i) => subject.ask(i % 3 === 0 ? '192.0.2.1' : '192.0.2.2')).join(
      '',
    )
    const expected = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? subject.relay : subject.notFound)).join('')
    expect(await exchange(socket, requests, expected.length)).toBe(expected)
  })

  it('holds answers back from a peer that does not read, and loses none', async () => {
    const socket = await connect()
    socket.pause()
    const count = 60_000
    socket.write(subject.ask('192.0.2.2').repeat(count))
    await new Promise((resolve) => setImmediate(resolve))
    const answers = receive(socket, count * subject.notFound.length)
    socket.resume()
    expect(await answers).toBe(subject.notFound.repeat(count))
  })

  it('answers requests that come byte by byte, two connections at a time', async () => {
    open.add('192.0.2.1')
    const [one, two] = [await connect(), await connect()]
    const answers = Promise.all([receive(one, subject.relay.length), receive(two, subject.notFound.length)])
    for (let i = 0; i < subject.ask('192.0.2.1').length; i++) {
      one.write(subject.ask('192.0.2.1').charAt(i))
      two.write(subject.ask('192.0.2.9').charAt(i))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await answers).toEqual([subject.relay, subject.notFound])
  })

  it('closes a connection that says something malformed, after answering what came before', async () => {
    for (const bytes of subject.malformed) {
      const socket = await connect()
      const answer = receiveAll(socket)
      socket.write(subject.ask('192.0.2.2') + bytes, 'latin1')
      expect(await answer, JSON.stringify(bytes)).toBe(subject.notFound)
    }
  })

  it('keeps an idle connection, and closes one that sends half a request and no more', async () => {
    const [idle, slow] = [await connect(), await connect()]
    await exchange(idle, subject.ask('192.0.2.2'), subject.notFound.length)
    await exchange(slow, subject.ask('192.0.2.2') + subject.half, subject.notFound.length)
    const closed = receiveAll(slow)
    clock.advance(STALL_MS + 20_000)
    expect(await closed).toBe('')
    clock.advance(24 * 3_600_000)
    expect(await exchange(idle, subject.ask('192.0.2.2'), subject.notFound.length)).toBe(subject.notFound)
  })

  it('is not kept busy by a request whose bytes drip in', async () => {
    const slow = await connect()
    const closed = receiveAll(slow)
    for (const byte of subject.half) {
      slow.write(byte)
      await exchange(await connect(), subject.ask('192.0.2.2'), 1).then(() => sockets.pop()?.destroy())
      clock.advance(STALL_MS / 10)
    }
    expect(await closed).toBe('')
  })

  it('refuses connections past its limit and takes new ones when some have gone', async () => {
    const kept = [await connect(), await connect(), await connect(), await connect()]
    for (const socket of kept) await exchange(socket, subject.ask('192.0.2.2'), subject.notFound.length)
    const refused = createConnection(path)
    sockets.push(refused)
    refused.on('error', () => {})
    expect(await receiveAll(refused)).toBe('')
    const gone = new Promise((resolve) => kept[0]?.once('close', resolve))
    kept[0]?.end()
    await gone
    expect(await exchange(await connect(), subject.ask('192.0.2.2'), subject.notFound.length)).toBe(subject.notFound)
  })

  it('stops: closes its connections and removes its socket', async () => {
    const socket = await connect()
    await exchange(socket, subject.ask('192.0.2.2'), subject.notFound.length)
    const closed = receiveAll(socket)
    await responder[Symbol.asyncDispose]()
    expect(await closed).toBe('')
    await expect(stat(path)).rejects.toThrow(/ENOENT/)
    await responder[Symbol.asyncDispose]()
  })

  it('can be restarted by another one at the same path, but not while it serves', async () => {
    const other = subject.make(path, lookup, clock, 4)
    await expect(other.start()).rejects.toThrow(/already served/)
    await responder[Symbol.asyncDispose]()
    await other.start()
    expect(await exchange(await connect(), subject.ask('192.0.2.2'), subject.notFound.length)).toBe(subject.notFound)
    await other[Symbol.asyncDispose]()
  })

  it('survives any bytes, and goes on answering others', async () => {
    open.add('192.0.2.1')
    const honest = await connect()
    await fc.assert(
      fc.asyncProperty(fc.array(noise(subject), { minLength: 1, maxLength: 6 }), async (pieces) => {
        const socket = await connect()
        const answers = receiveAll(socket)
        for (const piece of pieces) socket.write(Buffer.from(piece, 'latin1'))
        socket.end()
        const text = (await answers).replaceAll(subject.relay, '').replaceAll(subject.notFound, '')
        expect(text).toBe('')
        expect(await exchange(honest, subject.ask('192.0.2.1'), subject.relay.length)).toBe(subject.relay)
        sockets.pop()
      }),
      { numRuns: 150 },
    )
  })
})

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).toString('latin1'))

function noise(subject: Subject): fc.Arbitrary<string> {
  return fc.oneof(
    bytes(40),
    bytes(40).map(encodeNetstring),
    bytes(40).map((key) => encodeNetstring(`popauth ${key}`)),
    fc.ipV4().map(subject.ask),
    fc.ipV6().map(subject.ask),
    fc.tuple(fc.nat(99_999), bytes(20)).map(([length, rest]) => `${length}:${rest},`),
  )
}

describe('the socket map protocol', () => {
  it('relays only for a whole tagged address that the table knows, whatever is asked', () => {
    fc.assert(
      fc.property(fc.oneof(bytes(60), fc.ipV4(), fc.ipV6()), fc.boolean(), (text, tagged) => {
        const asked: string[] = []
        const lookup = (address: ClientAddress) => {
          asked.push(address)
          return yes
        }
        const { answer } = answerRequest(`popauth ${tagged ? 'connect:' : ''}${text}`, lookup)
        expect(answer).toBe(asked.length === 1 ? 'OK RELAY' : 'NOTFOUND ')
        if (!tagged && !/^connect:/i.test(text)) expect(asked).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  it('finds every address as sendmail spells it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (words) => {
        const spelled = words.map((word) => word.toString(16)).join(':')
        expect(answerRequest(`popauth connect:ipv6:${spelled}`, () => yes).answer).toBe('OK RELAY')
      }),
    )
  })
})
