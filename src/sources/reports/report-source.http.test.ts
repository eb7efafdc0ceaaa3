/** Reports over HTTP: what Dovecot sends, and what others may. */
import { chmodSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { event, POLICY, policy, post, Running, SECRET, secretFile, start } from '../../../test/support/report-source.ts'
import { SocketError, SourceError } from '../../errors.ts'
import { ManualClock } from '../../lib/clock.ts'

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
