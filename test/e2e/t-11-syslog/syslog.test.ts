// Real syslog daemons on another host forward their log with the settings of docs/syslog.md; popauthd reads no file at all.
import { statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { TestAuthority } from '../../support/authority.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { inHost, type LabHost, SERVER_ADDRESS } from '../../support/netns.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'
import { settings } from './guide.ts'
import { Sender, type SenderFiles } from './senders.ts'

const unavailable = labAvailability()

type Logged = readonly [tag: string, text: string]

/** Each address has a user of its own: one user may hold open a few only. */
const dovecot = (address: string): Logged => {
  const rest = `method=PLAIN, rip=${address}, lip=192.0.2.40, mpid=42, TLS, session=<x>`
  return ['dovecot', `imap-login: Login: user=<at-${address}>, ${rest}`]
}
const qpopper = (address: string): Logged => {
  return ['popper', `(v4.1.0) POP login by user "at-${address}" at (host.example.org) ${address}`]
}

interface Way {
  readonly name: string
  readonly kind: 'rsyslog' | 'syslog-ng'
  readonly block: string
  /** What stands otherwise than in the guide. */
  readonly change?: readonly [string, string]
}

const WAYS: readonly Way[] = [
  { name: 'rsyslog, TLS by GnuTLS', kind: 'rsyslog', block: 'rsyslog tls' },
  { name: 'rsyslog, TLS by OpenSSL', kind: 'rsyslog', block: 'rsyslog tls', change: ['"gtls"', '"ossl"'] },
  { name: 'rsyslog, Unix socket', kind: 'rsyslog', block: 'rsyslog unix' },
  { name: 'rsyslog, named pipe', kind: 'rsyslog', block: 'rsyslog fifo' },
  { name: 'rsyslog, TCP with octet counting', kind: 'rsyslog', block: 'rsyslog tcp' },
  { name: 'rsyslog, TCP with lines', kind: 'rsyslog', block: 'rsyslog tcp', change: ['octet-counted', 'traditional'] },
  {
    name: 'rsyslog, TCP in the old form',
    kind: 'rsyslog',
    block: 'rsyslog tcp',
    change: ['RSYSLOG_SyslogProtocol23Format', 'RSYSLOG_TraditionalForwardFormat'],
  },
  { name: 'rsyslog, UDP', kind: 'rsyslog', block: 'rsyslog udp' },
  { name: 'syslog-ng, TLS', kind: 'syslog-ng', block: 'syslog-ng tls' },
  { name: 'syslog-ng, Unix socket', kind: 'syslog-ng', block: 'syslog-ng unix' },
  { name: 'syslog-ng, named pipe', kind: 'syslog-ng', block: 'syslog-ng fifo' },
  { name: 'syslog-ng, TCP', kind: 'syslog-ng', block: 'syslog-ng tcp' },
]

describe.skipIf(unavailable)(`syslog${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let host: LabHost
  let popauthd: Popauthd
  let wrapper: string[]
  let runDirectory: string
  let authority: TestAuthority
  let files: SenderFiles
  let senders = 0
  let addresses = 0

  const nextAddress = () => `198.51.100.${++addresses}`

  beforeAll(async () => {
    lab = await openLab()
    host = await lab.addClient('192.0.2.40')
    runDirectory = join(lab.shared, 'run/popauthd')
    await mkdir(runDirectory)
    authority = await TestAuthority.make(join(lab.shared, 'authority'))
    const mx = await authority.issue({ name: 'mx.example.net', usage: 'serverAuth', alsoFor: [`IP:${SERVER_ADDRESS}`] })
    files = { ca: authority.certificate, ...(await authority.issue({ name: 'pop.example.net', usage: 'clientAuth' })) }
    const guide = ['tls', 'unix', 'fifo', 'plain'].flatMap((name) => {
      const text = settings(`yaml popauthd ${name}`)
        .replaceAll('/run/popauthd/', `${runDirectory}/`)
        .replace('/etc/popauthd/mx.pem', mx.certificate)
        .replace('/etc/popauthd/mx.key', mx.key)
        .replace('/etc/popauthd/senders-ca.pem', authority.certificate)
      return (parse(text) as { readonly sources: readonly object[] }).sources
    })
    const sources = guide.map((source) => ({ ...source, timezone: 'UTC' }))
    popauthd = new Popauthd({ directory: join(lab.shared, 'popauthd'), logs: [], config: { sources } })
    wrapper = ['ip', ...inHost(lab.server, [])]
    await popauthd.start({ wrapper })
  })

  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  function start(
    { kind, block, change = ['\0', ''] as const }: Omit<Way, 'name'>,
    own: SenderFiles = files,
  ): Promise<Sender> {
    const [from, to] = change
    const text = settings(block).replaceAll(from, to)
    return Sender.start(lab, host, { kind, name: `sender${++senders}`, settings: text, files: own, runDirectory })
  }

  const seen = (address: string) => popauthd.events.filter(({ msg, ip }) => msg === 'login' && ip === address).length
  const counts = async (place: string): Promise<Record<string, number>> => {
    const status = await popauthd.ask<{ sources: { id: string; counts?: Record<string, number> }[] }>('status')
    return status.sources.find(({ id }) => id.includes(place))?.counts ?? {}
  }

  it.each(WAYS)('a login logged on another host opens the relay: $name', async (way) => {
    await using sender = await start(way)
    for (const login of [dovecot, qpopper]) {
      const address = nextAddress()
      await sender.log(...login(address))
      await popauthd.event('login', { ip: address }, { timeoutMs: 30_000 }).catch((error: unknown) => {
        throw new Error(`${String(error)}; the sender said: ${sender.output}`)
      })
      expect(await popauthd.openAddresses()).toContain(address)
      expect(seen(address)).toBe(1)
    }
  })

  it('logger(1) writes to the Unix socket by itself', async () => {
    const address = nextAddress()
    const root = await lab.root('rsyslog', 'logger')
    const [tag, text] = qpopper(address)
    const socket = join(runDirectory, 'syslog.sock')
    await root.exec(['logger', '--socket', socket, '--id=4242', '--tag', tag, '--priority', 'mail.info', '--', text])
    await popauthd.event('login', { ip: address })
  })

  it('gives the Unix socket and the pipe to the group alone, and no sender has changed that', () => {
    expect(statSync(join(runDirectory, 'syslog.sock')).mode & 0o777).toBe(0o660)
    expect(statSync(join(runDirectory, 'log')).mode & 0o777).toBe(0o620)
  })

  it.each<[string, string, () => Promise<SenderFiles>, readonly [string, string]]>([
    [
      'rsyslog without a certificate',
      'rsyslog',
      async () => files,
      ['defaultNetstreamDriverCertFile="/etc/rsyslog-popauthd/pop.pem"', ''],
    ],
    [
      'syslog-ng without a certificate',
      'syslog-ng',
      async () => files,
      ['cert-file("/etc/syslog-ng-popauthd/pop.pem")', ''],
    ],
    [
      'rsyslog with a certificate of another authority',
      'rsyslog',
      async () => {
        const other = await TestAuthority.make(join(lab.shared, 'other-authority'))
        return { ca: authority.certificate, ...(await other.issue({ name: 'pop.example.net', usage: 'clientAuth' })) }
      },
      ['', ''],
    ],
    [
      'syslog-ng with the certificate of another host',
      'syslog-ng',
      async () => ({
        ca: authority.certificate,
        ...(await authority.issue({ name: 'www.example.net', usage: 'clientAuth' })),
      }),
      ['', ''],
    ],
  ])('a login sent over TLS by %s opens nothing', async (_name, kind, own, [line, instead]) => {
    const before = (await counts('tls')).connections_refused ?? 0
    const address = nextAddress()
    // A key without its certificate is an error of its own.
    const key = /^.*(?:DriverKeyFile|key-file\().*\n/m.exec(settings(`${kind} tls`))?.[0] ?? ''
    const lacksCertificate = line !== ''
    const text = settings(`${kind} tls`)
      .replace(line, instead)
      .replace(lacksCertificate ? key : '', '')
    const options = {
      kind: kind as Way['kind'],
      name: `sender${++senders}`,
      settings: text,
      files: await own(),
      runDirectory,
    }
    await using sender = await Sender.start(lab, host, options)
    await sender.log(...dovecot(address))
    const refused = async () => ((await counts('tls')).connections_refused ?? 0) > before || undefined
    await waitFor('a connection that is refused', refused, { timeoutMs: 30_000 }).catch((error: unknown) => {
      throw new Error(`${String(error)}; the sender said: ${sender.output}; ${popauthd.output.slice(-1500)}`)
    })
    await using honest = await start({ kind: 'rsyslog', block: 'rsyslog tls' })
    const behind = nextAddress()
    await honest.log(...dovecot(behind))
    await popauthd.event('login', { ip: behind }, { timeoutMs: 30_000 })
    expect(await popauthd.openAddresses()).not.toContain(address)
    expect(seen(address)).toBe(0)
  })

  it.each(WAYS)('a line feed in what a program logs makes no second line: $name', async (way) => {
    await using sender = await start(way)
    const forged = nextAddress()
    const now = new Date().toISOString().slice(0, 19)
    const line = `<22>1 ${now}Z mx dovecot 42 - - ${dovecot(forged)[1]}`
    const inFile = `${now}+00:00 mx dovecot: ${dovecot(forged)[1]}`
    for (const end of ['', '\n', '\r\n'])
      for (const text of [line, inFile, `${line.length} ${line}`])
        await sender.logRaw(`<22>Nov 22 13:35:56 sendmail[1]: client said\n${text}${end}`)
    const behind = nextAddress()
    await sender.log(...dovecot(behind))
    await popauthd.event('login', { ip: behind }, { timeoutMs: 30_000 })
    expect(seen(forged)).toBe(0)
    expect(await popauthd.openAddresses()).not.toContain(forged)
  })

  it.each(WAYS.filter(({ block }) => block.endsWith('tls') || block.endsWith('tcp')))(
    'what is logged while popauthd is down comes later: $name',
    async (way) => {
      await using sender = await start(way)
      const first = nextAddress()
      await sender.log(...dovecot(first))
      await popauthd.event('login', { ip: first }, { timeoutMs: 30_000 })
      await popauthd.stop()
      const meanwhile = [nextAddress(), nextAddress(), nextAddress()]
      for (const address of meanwhile) await sender.log(...dovecot(address))
      await popauthd.start({ wrapper })
      for (const ip of meanwhile) await popauthd.event('login', { ip }, { timeoutMs: 60_000 })
      expect(await popauthd.openAddresses()).toEqual(expect.arrayContaining([first, ...meanwhile]))
    },
  )
})
