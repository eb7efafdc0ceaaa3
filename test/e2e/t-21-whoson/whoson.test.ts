// The built popauthd as a Whoson server, with the settings of docs/whoson.md: told of logins over a Unix socket and TLS, asked over Unix, TCP and UDP.
// The clients are the test's own: no package of Debian is one, and its Exim is built without the whoson lookup.
import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type CertificateFiles, TestAuthority } from '../../support/authority.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { Popauthd } from '../../support/popauthd.ts'

const page = blocksOf('whoson.md')
const NOT_HERE = '*LOGIN and LOGOUT: at a whoson source only (docs/whoson.md)\r\n\r\n'
const UNKNOWN = '-not logged in\r\n\r\n'
const WINDOW_SECONDS = 60

let directory: string
let popauthd: Popauthd
let askSocket: string
let loginSocket: string
let port: number
let tlsPort: number
let authority: TestAuthority
let client: CertificateFiles

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-whoson-'))
  askSocket = join(directory, 'whoson.sock')
  loginSocket = join(directory, 'whoson-login.sock')
  port = await freePort()
  tlsPort = await freePort()
  authority = await TestAuthority.make(join(directory, 'ca'))
  const server = await authority.issue({ name: 'mx', alsoFor: ['IP:127.0.0.1'], usage: 'serverAuth' })
  client = await authority.issue({ name: 'pop.example.net', usage: 'clientAuth' })
  const group = { 'group: mail': 'group: 0' }
  const lookups = page('popauthd: lookups', {
    '/run/popauthd/whoson.sock': askSocket,
    '127.0.0.1:9876': `127.0.0.1:${port}`,
    ...group,
  })
  const source = page('popauthd: source', { '/run/popauthd/whoson-login.sock': loginSocket, ...group })
  const files = { ...server, client_ca: authority.certificate, client_names: ['pop.example.net'] }
  const tls = { whoson: { transport: 'tls', port: tlsPort, ...files } }
  popauthd = new Popauthd({
    directory: join(directory, 'popauthd'),
    logs: [],
    config: {
      window_seconds: WINDOW_SECONDS,
      lookups: (parse(lookups) as { lookups: unknown[] }).lookups,
      sources: [...(parse(source) as { sources: unknown[] }).sources, tls],
    },
  })
  await popauthd.start()
})
afterAll(async () => {
  await popauthd?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** One request over a connection of its own; the answer, up to the end of the connection. */
function say(socket: Socket, request: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard += text
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(heard))
    socket.end(`${request}\r\n\r\n`)
  })
}

function sayByDatagram(request: string): Promise<string> {
  const socket = createSocket('udp4')
  return new Promise<string>((resolve, reject) => {
    socket.once('message', (bytes) => resolve(bytes.toString('latin1')))
    socket.once('error', reject)
    socket.send(`${request}\r\n\r\n`, port, '127.0.0.1')
  }).finally(() => socket.close())
}

const ways: Record<string, (request: string) => Promise<string>> = {
  'a Unix socket': (request) => say(connect(askSocket), request),
  TCP: (request) => say(connect(port, '127.0.0.1'), request),
  UDP: sayByDatagram,
}
const tell = (command: string) => say(connect(loginSocket), command)
const everybodySays = async (request: string) => Promise.all(Object.values(ways).map((ask) => ask(request)))

async function tellByTls(command: string, who: CertificateFiles | undefined): Promise<string> {
  const own = who && { cert: await readFile(who.certificate), key: await readFile(who.key) }
  return say(
    connectTls({ host: '127.0.0.1', port: tlsPort, ca: await readFile(authority.certificate), ...own }),
    command,
  )
}

describe('Whoson', () => {
  it('a LOGIN over the Unix socket opens its address, for all who ask, until its LOGOUT', async () => {
    expect((await stat(loginSocket)).mode & 0o777).toBe(0o660)
    expect(await everybodySays('QUERY 198.51.100.7')).toEqual([UNKNOWN, UNKNOWN, UNKNOWN])
    expect(await tell('LOGIN 198.51.100.7 Alice@example.net')).toBe('+LOGIN recorded\r\n\r\n')
    const yes = '+alice@example.net\r\n\r\n'
    expect(await everybodySays('QUERY 198.51.100.7')).toEqual([yes, yes, yes])
    expect(await tell('QUERY 198.51.100.7')).toBe(yes)
    expect((await popauthd.cli('check', '198.51.100.7')).code).toBe(0)
    expect((await popauthd.ask<{ users: unknown[] }>('why', '198.51.100.7')).users).toMatchObject([
      { user: 'alice@example.net', server: 'whoson' },
    ])
    expect(await tell('LOGOUT 198.51.100.7')).toBe('+LOGOUT recorded\r\n\r\n')
    expect(await everybodySays('QUERY 198.51.100.7')).toEqual([UNKNOWN, UNKNOWN, UNKNOWN])
    await popauthd.event('authorization ended', { ip: '198.51.100.7', reason: 'logged_out' })
    expect((await popauthd.cli('check', '198.51.100.7')).code).toBe(1)
  })

  it('knows IPv6 addresses in any spelling', async () => {
    expect(await tell('LOGIN 2001:DB8:2:0::7 bob')).toBe('+LOGIN recorded\r\n\r\n')
    expect(await everybodySays('QUERY 2001:db8:2:0:0:0:0:7')).toEqual(Array(3).fill('+bob\r\n\r\n'))
    expect(await everybodySays('QUERY 2001:db8:2::8')).toEqual([UNKNOWN, UNKNOWN, UNKNOWN])
  })

  it.each(Object.keys(ways))('refuses LOGIN and LOGOUT over %s', async (way) => {
    const ask = ways[way] as (request: string) => Promise<string>
    expect(await ask('LOGIN 198.51.100.66 mallory')).toBe(NOT_HERE)
    expect(await ask('QUERY 198.51.100.66')).toBe(UNKNOWN)
    await tell('LOGIN 198.51.100.9 carol')
    expect(await ask('LOGOUT 198.51.100.9')).toBe(NOT_HERE)
    expect(await ask('QUERY 198.51.100.9')).toBe('+carol\r\n\r\n')
  })

  it('a LOGIN over TLS needs a certificate', async () => {
    expect(await tellByTls('LOGIN 198.51.100.66 mallory', undefined)).toBe('')
    const other = await authority.issue({ name: 'www.example.net', usage: 'clientAuth' })
    expect(await tellByTls('LOGIN 198.51.100.66 mallory', other)).toBe('')
    expect(await say(connect(tlsPort, '127.0.0.1'), 'LOGIN 198.51.100.66 mallory')).not.toContain('+')
    expect(await tellByTls('LOGIN 198.51.100.10 dave', client)).toBe('+LOGIN recorded\r\n\r\n')
    expect(await popauthd.openAddresses()).not.toContain('198.51.100.66')
    expect(await sayByDatagram('QUERY 198.51.100.10')).toBe('+dave\r\n\r\n')
  })

  it('what is never opened is recorded, and refused', async () => {
    expect(await tell('LOGIN 127.0.0.1 alice')).toBe('+LOGIN recorded\r\n\r\n')
    await popauthd.event('login refused', { ip: '127.0.0.1', reason: 'never' })
    expect(await everybodySays('QUERY 127.0.0.1')).toEqual([UNKNOWN, UNKNOWN, UNKNOWN])
  })

  it('tells in `status` what came', async () => {
    const { sources, responders } = await popauthd.ask<{
      sources: { origin: string; counts: Record<string, number> }[]
      responders: { name: string; lookups: number }[]
    }>('status')
    const own = sources.find(({ origin }) => origin === `whoson at ${loginSocket}`)
    expect(own?.counts.logins).toBeGreaterThan(3)
    expect(own?.counts.logouts).toBe(1)
    expect(responders.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        `whoson ${askSocket}`,
        `whoson 127.0.0.1 port ${port}`,
        `whoson udp 127.0.0.1 port ${port}`,
      ]),
    )
  })

  it('survives a restart, and has its window from when it was told', async () => {
    const toldMs = Date.now()
    await tell('LOGIN 198.51.100.11 erin')
    await popauthd.kill()
    await popauthd.start()
    expect(await everybodySays('QUERY 198.51.100.11')).toEqual(Array(3).fill('+erin\r\n\r\n'))
    const { until } = await popauthd.ask<{ until: string }>('check', '198.51.100.11')
    const endMs = Date.parse(until)
    expect(endMs).toBeGreaterThanOrEqual(toldMs + WINDOW_SECONDS * 1000 - 1000)
    expect(endMs).toBeLessThanOrEqual(Date.now() + WINDOW_SECONDS * 1000)
  })
})
