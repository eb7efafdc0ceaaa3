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
import { opensmtpdProtocol } from '../../src/responders/opensmtpd/protocol.ts'
import { policyProtocol } from '../../src/responders/policy/protocol.ts'
import { readsocketProtocol } from '../../src/responders/readsocket/protocol.ts'
import type { Protocol } from '../../src/responders/responder.ts'
import { ResponderServer, STALL_MS } from '../../src/responders/responder-server.ts'
import { answerRequest, socketmapProtocol } from '../../src/responders/socketmap/protocol.ts'
import { whosonProtocol } from '../../src/responders/whoson/protocol.ts'

interface Subject {
  readonly protocol: Protocol
  /** The bytes that ask about an address, and the bytes of each answer. */
  readonly ask: (address: string) => string
  readonly relay: string
  readonly notFound: string
  readonly malformed: readonly string[]
  /** What is said to these, and to what makes no sense, where anything is. */
  readonly refusal?: RegExp
  /** The beginning of a request. */
  readonly half: string
}

const notNetstrings = ['GET / HTTP/1.0\r\n\r\n', '3:abc;', '10001:', '99999999', '7:popauth,', '0:,', '-1:a,', '\r\n']

const subjects: Record<string, Subject> = {
  "socketmap, sendmail's map": {
    protocol: socketmapProtocol('socketmap'),
    ask: (address) => encodeNetstring(`popauth connect:${address.includes(':') ? `ipv6:${address}` : address}`),
    relay: '8:OK RELAY,',
    notFound: '9:NOTFOUND ,',
    malformed: notNetstrings,
    half: '27:popauth connect:19',
  },
  "socketmap, Postfix's map": {
    protocol: socketmapProtocol('postfix'),
    ask: (address) => encodeNetstring(`postfix ${address}`),
    relay: '8:OK RELAY,',
    notFound: '9:NOTFOUND ,',
    malformed: notNetstrings,
    half: '27:postfix 19',
  },
  policy: {
    protocol: policyProtocol(() => {}),
    ask: (address) =>
      `request=smtpd_access_policy\nprotocol_state=RCPT\nsender=a=b@example.com\nrecipient=\nclient_name=unknown\nclient_address=${address}\n\n`,
    relay: 'action=OK\n\n',
    notFound: 'action=DUNNO\n\n',
    malformed: [
      'GET / HTTP/1.0\r\n\r\n',
      '\n',
      'request=smtpd_access_policy\nclient_address=192.0.2.1\nclient_address=192.0.2.2\n\n',
      'request=other\nclient_address=192.0.2.1\n\n',
      'client_address=192.0.2.1\n\n',
      'request=smtpd_access_policy\n=192.0.2.1\n\n',
      'request=smtpd_access_policy\nsender=\0\n\n',
      `request=smtpd_access_policy\nsender=${'a'.repeat(70_000)}`,
      'sender=a\n'.repeat(2),
      Array.from({ length: 10_000 }, (_, i) => `name${i}=1\n`).join(''),
    ],
    half: 'request=smtpd_access_policy\ncl',
  },
  opensmtpd: {
    protocol: opensmtpdProtocol,
    ask: (address) => `table|0.1|1713795103.314423|popauth|check|netaddr|7f|${spelledBySmtpd(address)}\n`,
    relay: 'check-result|7f|found\n',
    notFound: 'check-result|7f|not-found\n',
    malformed: [
      'GET / HTTP/1.0\r\n\r\n',
      '\n',
      'config|ready\n',
      'table|0.1|0|popauth\n',
      'table|0.1|0|popauth|check|netaddr||192.0.2.1\n',
      'table|0.1|0|popauth|check|netaddr|\x7f|192.0.2.1\n',
      'table|0.1|0|popauth|Check|netaddr|1|192.0.2.1\n',
      `${'table'.repeat(20_000)}\n`,
    ],
    half: 'table|0.1|0|po',
  },
  // No client of the reference implementation is packaged: Debian has none, and its Exim is built without the whoson lookup.
  whoson: {
    protocol: whosonProtocol,
    ask: (address) => `QUERY ${address}\r\n\r\n`,
    relay: '+OPERATOR\r\n\r\n',
    notFound: '-not logged in\r\n\r\n',
    malformed: ['QUERY 192.0.2.1\r\nX\r\n\r\n', '\0\r\n\r\n', '\x16\x03\x01\n\n', `${'a'.repeat(70_000)}\n`],
    refusal: /\*[A-Za-z (/.):]{1,64}\r\n\r\n/g,
    half: 'QUERY 192.0.2.1\r\n',
  },
}

function spelledBySmtpd(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

const yes: Verdict = { authorized: true, reason: 'login', detail: '' }
const no: Verdict = { authorized: false, reason: 'unknown', detail: '' }

describe.each(Object.entries(subjects))('responder %s', (_name, subject) => {
  let directory: string
  let path: string
  let clock: ManualClock
  let responder: ResponderServer
  const open = new Set<string>()
  const lookup = (address: ClientAddress) => (open.has(address) ? yes : no)
  const sockets: Socket[] = []
  const make = () => {
    const at = { path, mode: 0o660, group: undefined }
    return new ResponderServer({ protocol: subject.protocol, at, maxConnections: 4, lookup, clock })
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    path = join(directory, 'run', 'a.sock')
    clock = new ManualClock(1_000_000)
    open.clear()
    responder = make()
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
      expect(withoutRefusals(await answer, subject), JSON.stringify(bytes)).toBe(subject.notFound)
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
    const other = make()
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
        expect(withoutRefusals(text, subject)).toBe('')
        expect(await exchange(honest, subject.ask('192.0.2.1'), subject.relay.length)).toBe(subject.relay)
        sockets.pop()
      }),
      { numRuns: 150 },
    )
  })
})

function withoutRefusals(text: string, { refusal }: Subject): string {
  return refusal === undefined ? text : text.replace(refusal, '')
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).toString('latin1'))

function noise(subject: Subject): fc.Arbitrary<string> {
  return fc.oneof(
    bytes(40),
    bytes(40).map(encodeNetstring),
    bytes(40).map((key) => encodeNetstring(`popauth ${key}`)),
    bytes(40).map((key) => subject.ask(key.replaceAll('\n', ''))),
    fc.ipV4().map(subject.ask),
    fc.ipV6().map(subject.ask),
    fc.tuple(fc.nat(99_999), bytes(20)).map(([length, rest]) => `${length}:${rest},`),
  )
}

describe('readsocket', () => {
  const asked = (text: string, lookup = (address: ClientAddress) => (address === '192.0.2.1' ? yes : no)) => {
    const session = readsocketProtocol.session(lookup)
    const { answers, isOver } = session.push(Buffer.from(text, 'latin1'))
    return isOver ? answers : `${answers}${session.end?.().answers}`
  }

  it.each([
    ['check 192.0.2.1\n', 'OK'],
    ['check 192.0.2.1\r\n', 'OK'],
    ['check 192.0.2.1', 'OK'],
    ['check ::ffff:192.0.2.1\n', 'OK'],
    ['check 192.0.2.2\n', 'NO'],
    ['check 192.0.2.1\ncheck 192.0.2.2\n', 'OK'],
    ['check 192.0.2.2\ncheck 192.0.2.1\n', 'NO'],
    ['check\n', 'NO'],
    ['check 192.0.2.1 \n', 'NO'],
    ['CHECK 192.0.2.1\n', 'NO'],
    ['check 192.0.2.1\0\n', 'NO'],
    ['\n', 'NO'],
    ['', ''],
    ['x'.repeat(300), ''],
    [`check ${'1'.repeat(400)}\n`, ''],
  ])('answers %j with %j', (text, answer) => {
    expect(asked(text)).toBe(answer)
  })

  it('defers while the table is not loaded', () => {
    expect(asked('check 192.0.2.1\n', () => undefined as unknown as Verdict)).toBe('DEFER')
  })

  it('answers a peer that has shut its side down, then closes, on a TCP port too', async () => {
    const clock = new ManualClock(1_000_000)
    const at = { address: '127.0.0.1', port: 0 }
    const responder = new ResponderServer({
      protocol: readsocketProtocol,
      at,
      maxConnections: 4,
      lookup: () => yes,
      clock,
    })
    await responder.start()
    const text = await new Promise((resolve) => {
      let got = ''
      const socket = createConnection({ port: responder.port as number, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1')
      })
      socket.on('end', () => resolve(got))
      socket.end('check 192.0.2.1')
    })
    expect(text).toBe('OK')
    await responder[Symbol.asyncDispose]()
  })
})

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
