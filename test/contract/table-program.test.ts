// The built table program of OpenSMTPD as smtpd runs it: one socket is its input and its output, and it never ends before that is closed.
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/lib/clock.ts'
import { opensmtpdProtocol } from '../../src/responders/opensmtpd/protocol.ts'
import { ResponderServer } from '../../src/responders/responder-server.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/table-popauthd.js', import.meta.url))
const REGISTERED = 'register|netaddr\nregister|ready\n'
const check = (id: string, key: string) => `table|0.1|1713795103.314423|popauth|check|netaddr|${id}|${key}\n`

// Under the name that smtpd calls, wherever it was copied to.
describe.each(['module', 'commonjs'])('table-popauthd, beside a package.json of type %s', (type) => {
  let directory: string
  let place: string
  let child: ChildProcess
  let heard: string
  let ended: Promise<number | null>

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    place = join(directory, 'opensmtpd.sock')
    await writeFile(join(directory, 'package.json'), JSON.stringify({ type }))
    await copyFile(PROGRAM, join(directory, 'table-popauthd'))
    heard = ''
    child = spawn(join(directory, 'table-popauthd'), [place], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      heard += text
    })
    ended = new Promise((resolve) => child.once('close', resolve))
    expect(await exchange('config|smtpd-version|7.6.0\nconfig|protocol|0.1\nconfig|ready\n', 'ready\n')).toBe(
      REGISTERED,
    )
  })
  afterEach(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true })
  })

  /** Says `request` and returns what comes back, up to and with `until`. */
  async function exchange(request: string, until: string): Promise<string> {
    const stdout = child.stdout as Socket
    const answer = new Promise<string>((resolve, reject) => {
      const look = () => {
        if (heard.includes(until)) done(() => resolve(heard))
      }
      const over = () => done(() => reject(new Error(`ended after ${JSON.stringify(heard)}`)))
      const done = (settle: () => void) => {
        stdout.off('data', look).off('close', over)
        settle()
      }
      stdout.on('data', look).once('close', over)
    })
    child.stdin?.write(request, 'latin1')
    const text = await answer
    heard = ''
    return text
  }

  const serve = async () => {
    const server = new ResponderServer({
      protocol: opensmtpdProtocol,
      at: { path: place, mode: 0o660, group: undefined },
      maxConnections: 4,
      lookup: (address) => ({ authorized: address === '192.0.2.7', reason: 'login', detail: '' }),
      clock: new ManualClock(1_000_000),
    })
    await server.start()
    return server
  }

  it('asks popauthd, outlives it, and finds it again', async () => {
    expect(await exchange(check('a', '192.0.2.7'), '\n')).toBe(
      `check-result|a|error|cannot reach popauthd at ${place}: ENOENT\n`,
    )
    for (const round of ['1', '2']) {
      const server = await serve()
      expect(await exchange(check(`b${round}`, '192.0.2.7'), '\n')).toBe(`check-result|b${round}|found\n`)
      expect(await exchange(check(`c${round}`, '192.0.2.8'), '\n')).toBe(`check-result|c${round}|not-found\n`)
      await server[Symbol.asyncDispose]()
    }
    expect(await exchange(check('d', '192.0.2.7'), '\n')).toMatch(/^check-result\|d\|error\|[^\n]+\n$/)
  })

  it('answers in time for a popauthd that takes the question and is silent', async () => {
    const sockets: Socket[] = []
    const server = createServer((socket) => void sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(place, resolve))
    const silent = `error|popauthd does not answer at ${place}\n`
    expect(await exchange(check('a', '192.0.2.7'), '\n')).toBe(`check-result|a|${silent}`)
    expect(await exchange(check('b', '192.0.2.7') + check('c', '192.0.2.7'), 'c|error')).toBe(
      `check-result|b|${silent}check-result|c|${silent}`,
    )
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('ends when smtpd closes its input, and not for a signal', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const) {
      child.kill(signal)
      expect(await exchange('table|0.1|0|popauth|update|u\n', '\n')).toBe('update-result|u|ok\n')
    }
    child.stdin?.end(check('z', '192.0.2.7'))
    expect(await ended).toBe(0)
    expect(heard).toBe(`check-result|z|error|cannot reach popauthd at ${place}: ENOENT\n`)
  })

  it('survives any bytes, and says nothing that smtpd cannot parse', async () => {
    const server = await serve()
    const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'))
    const noise = fc.oneof(
      bytes,
      bytes.map((key) => check('n', key)),
      bytes.map((rest) => `table|0.1|0|popauth|${rest}\n`),
    )
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { maxLength: 5 }), async (pieces) => {
        const last = `check-result|r${++round}|found\n`
        const text = await exchange(`${pieces.join('')}\n${check(`r${round}`, '192.0.2.7')}`, last)
        expect(text.replaceAll(/^[a-z]+-result\|[!-{}~]+\|(ok|found|not-found|error\|[ -~]+)\n/gm, '')).toBe('')
      }),
      { numRuns: 200 },
    )
    const long = `table|0.1|0|popauth|check|netaddr|long|${'1'.repeat(1 << 20)}\n`
    expect(await exchange(long, '\n')).toBe('check-result|long|not-found\n')
    await server[Symbol.asyncDispose]()
  })
})
