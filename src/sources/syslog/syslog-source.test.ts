/** The receiver over TCP: what comes through, what a hostile sender can do. */
import { createServer } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clock, counted, message, notices, open, sender, tcp, write } from '../../../test/support/syslog-receiver.ts'
import { waitFor } from '../../../test/support/wait-for.ts'
import type { SyslogConfig } from '../../config/config.ts'
import { IDLE_MS, IDLE_WHEN_FULL_MS, STALL_MS } from '../stream-listener.ts'
import type { StreamReceiver } from './stream-receiver.ts'

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
