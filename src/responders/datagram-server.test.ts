import { createSocket, type Socket } from 'node:dgram'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Verdict } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { DatagramServer } from './datagram-server.ts'
import { whosonProtocol } from './whoson/protocol.ts'

const lookup = (address: ClientAddress): Verdict =>
  address === '192.0.2.1'
    ? { authorized: true, reason: 'login', detail: '', user: 'alice' }
    : { authorized: false, reason: 'unknown', detail: '' }
const { datagram } = whosonProtocol as Required<typeof whosonProtocol>
const serverAt = (address: string, port = 0) =>
  new DatagramServer({ protocol: { ...whosonProtocol, datagram }, at: { address, port }, lookup })

let asker: Socket
let server: DatagramServer

describe.each(['127.0.0.1', '::1'])('at %s', (address) => {
  beforeEach(async () => {
    server = serverAt(address)
    await server.start()
    asker = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve) => asker.bind(0, address, resolve))
  })
  afterEach(async () => {
    asker.close()
    await server[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const send = (text: string | Uint8Array) =>
    new Promise<void>((resolve) => asker.send(text, server.port as number, address, () => resolve()))
  const next = () =>
    new Promise<string>((resolve) => asker.once('message', (bytes) => resolve(bytes.toString('latin1'))))
  const ask = async (text: string) => {
    const answer = next()
    await send(text)
    return answer
  }

  it('answers each question with one datagram, to who asked', async () => {
    expect(await ask('QUERY 192.0.2.1\r\n\r\n')).toBe('+alice\r\n\r\n')
    expect(await ask('QUERY 192.0.2.2')).toBe('-not logged in\r\n\r\n')
    expect(await ask('LOGIN 192.0.2.2 mallory\r\n\r\n')).toMatch(/^\*LOGIN and LOGOUT/)
    expect(server.counts).toEqual({ lookups: 3, authorized: 1, connections: 0 })
  })

  it('is silent about everything else, and goes on: an answer is no question to another server', async () => {
    const heard: string[] = []
    asker.on('message', (bytes) => heard.push(bytes.toString('latin1')))
    for (const noise of ['', 'x', '+alice\r\n\r\n', '-not logged in\r\n\r\n', 'QUERY\r\n\r\n', '\0'.repeat(9000)])
      await send(noise)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        await send(bytes)
      }),
      { numRuns: 200 },
    )
    expect(await ask('QUERY 192.0.2.1\r\n\r\n')).toBe('+alice\r\n\r\n')
    expect(heard).toEqual(['+alice\r\n\r\n'])
  })

  it('says what to do where the port is taken', async () => {
    await expect(serverAt(address, server.port).start()).rejects.toMatchObject({
      message: expect.stringMatching(/^cannot listen on UDP .* port \d+: /),
      mend: expect.stringContaining('another port'),
    })
  })
})
