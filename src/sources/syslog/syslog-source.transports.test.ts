/** The receivers over a Unix socket, UDP and TLS: who gets in. */
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, TestAuthority } from '../../../test/support/authority.ts'
import {
  counted,
  directory,
  message,
  notices,
  open,
  type Running,
  sender,
  udp,
  unix,
  write,
} from '../../../test/support/syslog-receiver.ts'
import { waitFor } from '../../../test/support/wait-for.ts'
import type { SyslogConfig } from '../../config/config.ts'

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
