// Every server of the laboratory, through syslog in three forms and through the server's own log file: a login there opens the relay.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin, fetchmailLogin, mpopLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { startPopa3d } from '../../support/popa3d.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { type RsyslogServer, startRsyslog } from '../../support/rsyslog.ts'
import { startSendmail } from '../../support/sendmail.ts'
import { askRelay } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()

interface ScannedLogin {
  readonly time: string
  readonly user: string
  readonly ip: string
  readonly service: string
  readonly server: string
}

/** Where each server listens, and who logs in there: an address for every way. */
const WAYS = [
  { name: 'popa3d, two lines in syslog', protocol: 'pop3', port: 110, from: '198.51.100.11', server: 'popa3d' },
  { name: 'Dovecot 2.3, POP3, syslog', protocol: 'pop3', port: 1110, from: '198.51.100.12', server: 'dovecot' },
  { name: 'Dovecot 2.3, IMAP, syslog', protocol: 'imap', port: 1143, from: '198.51.100.13', server: 'dovecot' },
  { name: 'Dovecot 2.3, POP3, own file', protocol: 'pop3', port: 2110, from: '198.51.100.14', server: 'dovecot' },
  { name: 'Dovecot 2.3, IMAP, own file', protocol: 'imap', port: 2143, from: '2001:db8:2::14', server: 'dovecot' },
  { name: 'Dovecot 2.4, POP3, syslog', protocol: 'pop3', port: 3110, from: '198.51.100.15', server: 'dovecot' },
  { name: 'Dovecot 2.4, IMAP, syslog', protocol: 'imap', port: 3143, from: '2001:db8:2::15', server: 'dovecot' },
  { name: 'Dovecot 2.4, POP3, own file', protocol: 'pop3', port: 4110, from: '198.51.100.16', server: 'dovecot' },
  { name: 'Dovecot 2.4, IMAP, own file', protocol: 'imap', port: 4143, from: '2001:db8:2::16', server: 'dovecot' },
] as const

// Without them a wrong password makes Dovecot answer that host seconds later.
const NO_PENALTY = `auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

describe.skipIf(unavailable)(`logins at real servers${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let rsyslog: RsyslogServer
  let popauthd: Popauthd
  let client: LabHost

  beforeAll(async () => {
    lab = await openLab()
    const socketmap = `${lab.shared}/run/popauthd.sock`
    rsyslog = await startRsyslog(lab)
    await startSendmail(lab, { popauthd: socketmap })
    await startPopa3d(lab)
    await startDovecot(lab, { extra: NO_PENALTY, pop3Port: 1110, imapPort: 1143 })
    const own23 = await startDovecot(lab, { extra: NO_PENALTY, pop3Port: 2110, imapPort: 2143, log: 'file' })
    await startDovecot(lab, { extra: NO_PENALTY, version: '2.4', pop3Port: 3110, imapPort: 3143 })
    const own24 = await startDovecot(lab, {
      extra: NO_PENALTY,
      version: '2.4',
      pop3Port: 4110,
      imapPort: 4143,
      log: 'file',
    })
    client = await lab.addClient(...WAYS.map(({ from }) => from))
    const logs = [rsyslog.rfc5424Log, own23.ownLog, own24.ownLog].filter((path) => path !== undefined)
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs, socketmap })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it.each(WAYS)('$name: refused before, permitted after', async ({ protocol, port, from, server }) => {
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await curlLogin(lab, client, { protocol, port, from, user: 'bob', password: 'wrong' })).code).toBe(67)
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await curlLogin(lab, client, { protocol, port, from })).code).toBe(0)
    const login = await popauthd.event('login', { ip: from })
    expect(login).toMatchObject({ user: 'alice', service: protocol, server })
    await popauthd.event('authorization granted', { ip: from, user: 'alice' })
    expect((await askRelay(client, { from })).code).toBe(250)
  })

  it('joins the two lines of popa3d where sessions of several hosts are open at once', async () => {
    const hosts = await Promise.all(['203.0.113.31', '203.0.113.32', '203.0.113.33'].map((one) => lab.addClient(one)))
    const [first, second, third] = hosts as [LabHost, LabHost, LabHost]
    const answers = await Promise.all([
      mpopLogin(lab, first, { user: 'alice' }),
      fetchmailLogin(lab, second, { user: 'bob' }),
      curlLogin(lab, third, { user: 'carol', password: 'wrong' }),
    ])
    expect(answers.map(({ code }) => code)).toEqual([0, 1, 67])
    await popauthd.event('login', { ip: '203.0.113.31', user: 'alice', server: 'popa3d' })
    await popauthd.event('login', { ip: '203.0.113.32', user: 'bob', server: 'popa3d' })
    expect((await askRelay(third)).code).toBe(550)
  })

  it('reads the same logins from all three forms of syslog', async () => {
    const scans = await waitFor('three equal logs', async () => {
      const logs = [rsyslog.traditionalLog, rsyslog.isoLog, rsyslog.rfc5424Log]
      const found = await Promise.all(logs.map((path) => scan(path)))
      return found.every((logins) => logins.length === found[0]?.length) ? found : undefined
    })
    const [traditional = [], iso = [], rfc5424 = []] = scans
    expect(iso.length).toBe(7)
    expect(rfc5424).toEqual(iso)
    const toSecond = (login: ScannedLogin) => ({ ...login, time: `${login.time.slice(0, 19)}.000Z` })
    expect(traditional).toEqual(iso.map(toSecond))
  })

  async function scan(path: string): Promise<ScannedLogin[]> {
    const { code, stdout, stderr } = await popauthd.cli('scan', '--json', '--timezone', 'UTC', path)
    expect(code, stderr).toBe(0)
    const lines = stdout.split('\n').filter(Boolean)
    return lines
      .map((line) => JSON.parse(line) as ScannedLogin)
      .map(({ time, user, ip, service, server }) => ({ time, user, ip, service, server }))
  }
})
