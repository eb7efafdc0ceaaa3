/** Reports over a Unix socket, what becomes of them, and the end: what Dovecot sends, and what others may. */
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { dial, event, policy, post, secretFile, socketPath, start } from '../../../test/support/report-source.ts'
import { systemClock } from '../../lib/clock.ts'
import { ReportSource } from './report-source.ts'

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
