// Real Dovecots, 2.3 and 2.4, that tell popauthd of their logins with the settings of the docs. popauthd follows no log at all.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type DovecotServer, LAB_PASSWORD, startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin } from '../../support/mail-clients.ts'
import { inHost, type LabHost, SERVER_ADDRESS } from '../../support/netns.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'

const settings = blocksOf('dovecot-reports.md')
const unavailable = labAvailability()
const SECRET = '4a0c7c1f5d0b4f7e9a3c5b7d9e1f2a4b'
const DOCS_SOCKET = '/run/popauthd/dovecot.sock'

/** Failed logins are answered at once; nobody waits for the next. */
const NO_PENALTY = `
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

interface Way {
  readonly name: string
  readonly version: '2.3' | '2.4'
  readonly block: string
  /** A client's address for each test. */
  readonly net: string
  readonly port: number
  readonly isUnix?: boolean
}

const WAYS: readonly Way[] = [
  {
    name: '2.3, policy reports',
    version: '2.3',
    block: 'Dovecot 2.3: policy reports',
    net: '198.51.100.1',
    port: 1000,
  },
  { name: '2.3, events', version: '2.3', block: 'Dovecot 2.3: events over HTTP', net: '198.51.100.2', port: 2000 },
  {
    name: '2.4, policy reports',
    version: '2.4',
    block: 'Dovecot 2.4: policy reports',
    net: '198.51.100.3',
    port: 3000,
  },
  { name: '2.4, events', version: '2.4', block: 'Dovecot 2.4: events over HTTP', net: '198.51.100.4', port: 4000 },
  {
    name: '2.4, events on a Unix socket',
    version: '2.4',
    block: 'Dovecot 2.4: events on a Unix socket',
    net: '198.51.100.5',
    port: 5000,
    isUnix: true,
  },
]

const UNIX = WAYS[4] as Way

/** Dovecots that leave the password to a backend, and how they tell of it. */
const PROXIES = [
  {
    name: '2.3',
    way: WAYS[1] as Way,
    port: 8000,
    good: '198.51.100.80',
    wrong: '198.51.100.81',
    last: '198.51.100.82',
  },
  { name: '2.4', way: UNIX, port: 9000, good: '198.51.100.90', wrong: '198.51.100.91', last: '198.51.100.92' },
]
const BACKEND = { '2.3': 4110, '2.4': 2110 }

describe.skipIf(unavailable)(`Dovecot's reports${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let popauthd: Popauthd
  let client: LabHost
  let socket: string
  const servers = new Map<string, DovecotServer>()

  const serverOf = (way: { readonly name: string }) => servers.get(way.name) as DovecotServer
  const blockOf = ({ block, isUnix }: Way) =>
    settings(block, isUnix === true ? { [DOCS_SOCKET]: socket } : { '127.0.0.1': '127.0.0.1' }).replaceAll(
      'SECRET',
      SECRET,
    )
  const start = async (name: string, version: '2.3' | '2.4', port: number, extra: string) =>
    servers.set(
      name,
      await startDovecot(lab, { version, pop3Port: port + 110, imapPort: port + 143, log: 'file', extra }),
    )

  beforeAll(async () => {
    lab = await openLab()
    socket = `${lab.shared}/run/reports.sock`
    for (const way of WAYS) await start(way.name, way.version, way.port, NO_PENALTY + blockOf(way))
    const wrong = settings('Dovecot 2.3: policy reports', { SECRET: `${SECRET.slice(0, -1)}c` })
    await start('wrong secret', '2.3', 6000, NO_PENALTY + wrong)
    const asking = settings('Dovecot 2.4: policy reports', { SECRET, '_auth = no': '_auth = yes' })
    await start('asking', '2.4', 7000, NO_PENALTY + asking)
    for (const { name, way, port } of PROXIES) await startProxy(`proxy ${name}`, way, port)
    client = await lab.addClient(...addresses())
    const directory = `${lab.shared}/popauthd`
    popauthd = new Popauthd({
      directory,
      logs: [],
      config: { sources: await sources(), admission: { addresses_per_user: 1000 } },
    })
    await startPopauthd()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  async function startProxy(name: string, way: Way, port: number): Promise<void> {
    const login = '  filter = event=auth_request_finished AND success=yes\n'
    const block = blockOf(way)
    expect(block).toContain(login)
    await start(name, way.version, port, NO_PENALTY + block.replace(login, settings('filter for a proxy')))
    const toBackend = `proxy=y nopassword=y host=${SERVER_ADDRESS} port=${BACKEND[way.version]}`
    await serverOf({ name }).root.write('/etc/dovecot/users', `alice:::::::${toBackend}\n`, 0o644)
  }

  /** It runs beside the Dovecots, on the mail host: they meet on its loopback. */
  const startPopauthd = () => popauthd.start({ wrapper: ['ip', ...inHost(lab.server, [])] })

  async function sources(): Promise<unknown[]> {
    const secretFile = join(`${lab.shared}/run`, 'dovecot-secret')
    await writeFile(secretFile, `${SECRET}\n`, { mode: 0o640 })
    const group = (await serverOf(UNIX).root.exec(['id', '-g', 'dovecot'])).trim()
    const http = settings('popauthd: HTTP', { '/etc/popauthd/dovecot-secret': secretFile })
    const unix = settings('popauthd: Unix socket', { [DOCS_SOCKET]: socket, 'group: dovecot': `group: ${group}` })
    return [http, unix].flatMap((text) => (parse(text) as { sources: unknown[] }).sources)
  }

  /** Has Dovecot check a good password as `service` would: it reports that as it does for a client at `from`. */
  async function authTest(way: Way, service: string, from: string): Promise<void> {
    const facts = [
      `${way.version === '2.3' ? 'service' : 'protocol'}=${service}`,
      `rip=${from}`,
      `lip=${SERVER_ADDRESS}`,
    ]
    const test = ['doveadm', 'auth', 'test', ...facts.flatMap((fact) => ['-x', fact]), 'alice', LAB_PASSWORD]
    expect(await serverOf(way).root.exec(test)).toContain('auth succeeded')
  }

  describe.each(WAYS)('$name', (way) => {
    it.each([
      ['pop3', '0'],
      ['imap', '1'],
    ] as const)('a login by %s opens its address', async (protocol, host) => {
      const from = `${way.net}${host}`
      const port = way.port + (protocol === 'pop3' ? 110 : 143)
      expect((await curlLogin(lab, client, { protocol, port, from, user: 'bob' })).code).toBe(0)
      await popauthd.event('login', { ip: from, user: 'bob', service: protocol, server: 'dovecot' })
      await popauthd.event('authorization granted', { ip: from, user: 'bob' })
      expect((await popauthd.cli('check', from)).code).toBe(0)
      expect((await popauthd.ask<{ users: unknown[] }>('why', from)).users).toMatchObject([
        { user: 'bob', service: protocol },
      ])
    })

    it('a failed login opens nothing, nor does one by another service', async () => {
      const [failed, other, last] = [`${way.net}2`, `${way.net}3`, `${way.net}4`]
      expect((await curlLogin(lab, client, { port: way.port + 110, from: failed, password: 'wrong' })).code).toBe(67)
      for (const service of ['submission', 'sieve', 'smtp', 'lmtp', 'doveadm']) await authTest(way, service, other)
      await authTest(way, 'imap', last)
      await popauthd.event('authorization granted', { ip: last })
      const open = await popauthd.openAddresses()
      expect(open).toContain(last)
      expect(open).not.toContain(failed)
      expect(open).not.toContain(other)
    })
  })

  it.each(PROXIES)('a proxy of $name opens for whom its backend lets in', async ({ port, good, wrong, last }) => {
    expect((await curlLogin(lab, client, { port: port + 110, from: wrong, password: 'wrong' })).code).toBe(67)
    for (const from of [good, last]) {
      expect((await curlLogin(lab, client, { port: port + 110, from })).code).toBe(0)
      await popauthd.event('authorization granted', { ip: from, user: 'alice' })
    }
    expect(await popauthd.openAddresses()).not.toContain(wrong)
  })

  it('a wrong secret opens nothing, and is told', async () => {
    const from = '198.51.100.60'
    expect((await curlLogin(lab, client, { port: 6110, from })).code).toBe(0)
    const told = await popauthd.event('login reports refused')
    expect(told.detail).toContain('without the secret')
    expect(popauthd.output).not.toContain(SECRET.slice(0, 12))
    expect(await popauthd.openAddresses()).not.toContain(from)
  })

  it('a Dovecot that asks before each login gets its yes, and reports the login', async () => {
    const from = '198.51.100.70'
    expect((await curlLogin(lab, client, { port: 7110, from })).code).toBe(0)
    await popauthd.event('authorization granted', { ip: from })
  })

  it('logins go on while popauthd hangs, and while it is stopped', async () => {
    popauthd.signal('SIGSTOP')
    for (const { port, net } of WAYS) {
      for (const protocol of ['pop3', 'imap'] as const) {
        const at = port + (protocol === 'pop3' ? 110 : 143)
        expect((await curlLogin(lab, client, { protocol, port: at, from: `${net}5` })).code).toBe(0)
      }
    }
    popauthd.signal('SIGCONT')
    expect(await popauthd.stop()).toBe(0)
    for (const { port, net } of [...WAYS, { port: 7000, net: '198.51.100.7' }])
      expect((await curlLogin(lab, client, { port: port + 110, from: `${net}6` })).code).toBe(0)
    await startPopauthd()
    for (const { name, port, net } of WAYS) {
      // The event that meets the broken connection is lost: the next one connects anew.
      await waitFor(`a login through ${name}`, async () => {
        const from = `${net}7`
        expect((await curlLogin(lab, client, { port: port + 110, from })).code).toBe(0)
        return (await popauthd.openAddresses()).includes(from) || undefined
      })
    }
  })

  it('a login that also stands in a log counts once', async () => {
    const [way, from] = [WAYS[0] as Way, '198.51.100.18']
    await popauthd.stop()
    const log = { file: serverOf(way).ownLog, timezone: 'UTC' }
    await popauthd.configure({ sources: [...(await sources()), log] })
    await startPopauthd()
    expect((await curlLogin(lab, client, { port: way.port + 110, from })).code).toBe(0)
    const told = () => popauthd.events.filter(({ msg, ip }) => msg === 'login' && ip === from)
    await waitFor('the login from both', () => told().length === 2 || undefined)
    const { users, until } = await popauthd.ask<{ users: { at: string }[]; until: string }>('why', from)
    expect(users).toHaveLength(1)
    const newest =
      told()
        .map(({ at }) => Date.parse(String(at)))
        .sort((a, b) => a - b)
        .at(-1) ?? 0
    expect(Date.parse(until)).toBe(newest + 600_000)
    expect(popauthd.events.filter(({ msg, ip }) => msg === 'authorization granted' && ip === from)).toHaveLength(1)
  })
})

function addresses(): string[] {
  const ofWays = WAYS.flatMap(({ net }) => Array.from({ length: 8 }, (_, host) => `${net}${host}`))
  const ofProxies = PROXIES.flatMap(({ good, wrong, last }) => [good, wrong, last])
  return [...ofWays, '198.51.100.18', '198.51.100.60', '198.51.100.70', '198.51.100.76', ...ofProxies]
}
