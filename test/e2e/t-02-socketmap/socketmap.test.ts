// The live way: real logins at Dovecot, real SMTP at sendmail, popauthd between them answering sendmail's socket map: logins and decisions. t-18-mtas has the rest.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin, fetchmailLogin, mpopLogin, swaksSend } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { startRsyslog } from '../../support/rsyslog.ts'
import { startSendmail } from '../../support/sendmail.ts'
import { askRelay, openTransaction } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const LOCAL = 'alice@mx.example.net'
const WINDOW_SECONDS = 60

interface Check {
  readonly authorized: boolean
  readonly until: string | null
  readonly reason: string
}
interface Decision {
  readonly granted: readonly string[]
  readonly ended: readonly string[]
  readonly stillOpen: readonly { readonly address: string; readonly users: readonly string[] }[]
}

// Each test has client addresses of its own, so that none depends on what another left open.
describe.skipIf(unavailable)(`sendmail asks popauthd live${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let popauthd: Popauthd
  let client: LabHost
  let stranger: LabHost
  let log: TestLog

  beforeAll(async () => {
    lab = await openLab()
    const socketmap = `${lab.shared}/run/popauthd.sock`
    const [rsyslog] = await Promise.all([startRsyslog(lab), startSendmail(lab, { popauthd: socketmap })])
    await startDovecot(lab)
    const more = Array.from({ length: 20 }, (_, i) => `198.51.100.${10 + i}`)
    client = await lab.addClient('198.51.100.7', '2001:db8:2::7', ...more)
    stranger = await lab.addClient('203.0.113.9', '2001:db8:2::9')
    log = new TestLog(`${lab.shared}/log/popper.log`)
    await log.write()
    const logs = [rsyslog.traditionalLog, log.path]
    const config = { window_seconds: WINDOW_SECONDS, admission: { users_per_address: 3 } }
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs, socketmap, config })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it('refuses before a login, permits after a POP3 login of that host, and of no other', async () => {
    expect((await askRelay(client)).code).toBe(550)
    expect((await curlLogin(lab, client)).code).toBe(0)
    await popauthd.event('authorization granted', { ip: '198.51.100.7', user: 'alice' })
    expect((await askRelay(client)).code).toBe(250)
    expect((await askRelay(stranger)).code).toBe(550)
    expect((await askRelay(client, { from: '198.51.100.29' })).code).toBe(550)
    const sent = await swaksSend(lab, client, { to: FOREIGN })
    expect(sent.code, sent.stdout).toBe(0)
    expect((await swaksSend(lab, stranger, { to: FOREIGN })).code).toBe(24)
    expect((await swaksSend(lab, stranger, { to: LOCAL })).code).toBe(0)
  })

  it('opens nothing for a refused login', async () => {
    const from = '198.51.100.10'
    expect((await curlLogin(lab, client, { from, password: 'wrong' })).code).toBe(67)
    await caughtUpBehind('198.51.100.11')
    expect((await askRelay(client, { from })).code).toBe(550)
  })

  it('permits after an IMAP login', async () => {
    const from = '198.51.100.12'
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await curlLogin(lab, client, { from, protocol: 'imap', user: 'bob' })).code).toBe(0)
    await popauthd.event('authorization granted', { ip: from, user: 'bob' })
    expect((await askRelay(client, { from })).code).toBe(250)
  })

  it('permits an IPv6 host after its login, and its neighbors not', async () => {
    const from = '2001:db8:2::7'
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await curlLogin(lab, client, { from, user: 'o.brien@example.net' })).code).toBe(0)
    await popauthd.event('authorization granted', { ip: from, user: 'o.brien@example.net' })
    expect((await askRelay(client, { from })).code).toBe(250)
    expect((await askRelay(stranger, { from: '2001:db8:2::9' })).code).toBe(550)
  })

  it('knows the logins of mpop and fetchmail', async () => {
    const mpopHost = await lab.addClient('203.0.113.20')
    const fetchmailHost = await lab.addClient('203.0.113.21')
    expect((await mpopLogin(lab, mpopHost, { user: 'bob' })).code).toBe(0)
    expect((await fetchmailLogin(lab, fetchmailHost, { protocol: 'imap', user: 'carol' })).code).toBe(1)
    await popauthd.event('authorization granted', { ip: '203.0.113.20', user: 'bob' })
    await popauthd.event('authorization granted', { ip: '203.0.113.21', user: 'carol' })
    expect((await askRelay(mpopHost)).code).toBe(250)
    expect((await askRelay(fetchmailHost)).code).toBe(250)
  })

  it('counts a window from the last login: renewal extends, and an older line does not shorten', async () => {
    const ip = '198.51.100.14'
    await log.write(qpopperLine('alice', ip, 50))
    await popauthd.event('authorization granted', { ip })
    const first = await until(ip)
    await log.write(qpopperLine('alice', ip, 5))
    await popauthd.event('authorization extended', { ip })
    const second = await until(ip)
    expect(second - first).toBeGreaterThanOrEqual(44_000)
    await log.write(qpopperLine('alice', ip, 30))
    await caughtUpBehind('198.51.100.15')
    expect(await until(ip)).toBe(second)
  })

  it('closes on revoke, in an open session too; the next login opens again', async () => {
    const from = '198.51.100.17'
    await using session = await openTransaction(client, { from })
    await curlLogin(lab, client, { from })
    await popauthd.event('authorization granted', { ip: from })
    expect((await session.rcpt(FOREIGN)).code).toBe(250)
    expect(await popauthd.ask<Decision>('revoke', from)).toMatchObject({ ended: [from] })
    expect((await session.rcpt(FOREIGN)).code).toBe(550)
    await loginUntil(from, 'login')
    expect((await session.rcpt(FOREIGN)).code).toBe(250)
  })

  it('stays closed under a block whoever logs in, and opens on allow without a login', async () => {
    const from = '198.51.100.18'
    await popauthd.ask('block', from)
    await curlLogin(lab, client, { from })
    await popauthd.event('login refused', { ip: from, reason: 'blocked' })
    expect((await askRelay(client, { from })).code).toBe(550)
    await popauthd.ask('allow', from, '--for', '1h')
    expect((await askRelay(client, { from })).code).toBe(250)
  })

  it('closes no address of a second user when the first is revoked', async () => {
    const from = '198.51.100.19'
    for (const user of ['carol', 'o.brien']) await curlLogin(lab, client, { from, user })
    await waitFor('both users', async () => ((await users(from)) === 2 ? true : undefined))
    const answer = await popauthd.ask<Decision>('revoke', '--user', 'carol')
    expect(answer.stillOpen.find(({ address }) => address === from)?.users).toEqual(['o.brien'])
    expect((await askRelay(client, { from })).code).toBe(250)
    await popauthd.ask('revoke', '--user', 'o.brien')
    expect((await askRelay(client, { from })).code).toBe(550)
  })

  it('closes an address where more users log in than may, as behind a proxy, and says so loudly', async () => {
    const from = '198.51.100.20'
    for (const user of ['alice', 'bob', 'o.brien']) await curlLogin(lab, client, { from, user })
    await waitFor('three users', async () => ((await users(from)) === 3 ? true : undefined))
    expect((await askRelay(client, { from })).code).toBe(250)
    await curlLogin(lab, client, { from, user: 'o.brien@example.net' })
    const refused = await popauthd.event('login refused', { ip: from, reason: 'too_many_users' })
    expect(refused.level).toBe('warn')
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await popauthd.ask<Check>('why', from)).reason).toBe('too_many_users')
  })

  async function until(ip: string): Promise<number> {
    const { until: end } = await popauthd.ask<Check>('check', ip)
    return Date.parse(String(end))
  }

  async function users(ip: string): Promise<number> {
    return (await popauthd.ask<{ users: readonly unknown[] }>('why', ip)).users.length
  }

  /** A line has the time of its second: a login in the second of a revocation is void, so the client comes again. */
  async function loginUntil(from: string, reason: string): Promise<void> {
    await waitFor(`${from} open by ${reason}`, async () => {
      await curlLogin(lab, client, { from })
      const check = await popauthd.ask<Check>('check', from)
      return (check.authorized && check.reason === reason) || undefined
    })
  }

  /** Resolves when popauthd has read all lines written to both logs so far; opens `ip`. */
  async function caughtUpBehind(ip: string): Promise<void> {
    await curlLogin(lab, client, { from: ip, user: 'carol' })
    await popauthd.event('authorization granted', { ip })
    await log.write(qpopperLine('alice', ip))
    await popauthd.event('login', { ip, user: 'alice' })
  }
})
