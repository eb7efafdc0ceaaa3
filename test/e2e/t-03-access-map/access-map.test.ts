// The map file, as in 2002: real logins at Dovecot, popauthd rebuilding access.db with sendmail's own tools, real SMTP at sendmail.
import { appendFile, chmod, chown, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin, swaksSend } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { startRsyslog } from '../../support/rsyslog.ts'
import { type SendmailServer, startSendmail } from '../../support/sendmail.ts'
import { askRelay, openTransaction, type SmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const WINDOW_SECONDS = 60
const MAIL_GROUP = 8

// What an operator and the daemon of 2002 left behind: one bare RELAY is in access.info, one is not.
const HAND_MADE = `# relays of the branch offices
Connect:10.1.2\tRELAY
spammer.example.com\tREJECT
203.0.113.40\tRELAY
203.0.113.41\tRELAY
Connect:203.0.113.50\tREJECT
203.0.113.51\tREJECT
Connect:198.18.5\tREJECT
`
const OLD_INFO = `Nov 20 10:00:00\told-user\t203.0.113.40\t1795168800\n`

describe.skipIf(unavailable)(`sendmail's access map${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let sendmail: SendmailServer
  let popauthd: Popauthd
  let client: LabHost
  let log: TestLog
  let own: { uid: number; gid: number; mode: number }
  const file = (suffix = '') => readFile(`${sendmail.accessPath}${suffix}`, 'utf8')

  beforeAll(async () => {
    lab = await openLab()
    const [rsyslog, server] = await Promise.all([startRsyslog(lab), startSendmail(lab)])
    sendmail = server
    await startDovecot(lab)
    const hosts = ['198.51.100.7', '2001:db8:2::7', '198.18.5.9', ...numbered('203.0.113.', 40, 70)]
    client = await lab.addClient(...hosts)
    log = new TestLog(`${lab.shared}/log/popper.log`)
    await log.write()
    await sendmail.makeAccess(HAND_MADE)
    await writeFile(`${sendmail.accessPath}.info`, OLD_INFO)
    for (const path of [sendmail.accessPath, `${sendmail.accessPath}.db`]) {
      await chown(path, 0, MAIL_GROUP)
      await chmod(path, 0o644)
    }
    const { uid, gid, mode } = await stat(`${sendmail.accessPath}.db`)
    own = { uid, gid, mode }
    const config = {
      window_seconds: WINDOW_SECONDS,
      socketmap: { enabled: false },
      sendmail_access: sendmail.accessConfig,
    }
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs: [rsyslog.isoLog, log.path], config })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it('takes over a hand-made access: entries to access.static, a backup, old temporary ones reported and closed', async () => {
    expect(await file('.before-popauthd')).toBe(HAND_MADE)
    const entries = (await file('.static')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(entries).toEqual([
      'Connect:10.1.2\tRELAY',
      'spammer.example.com\tREJECT',
      '203.0.113.41\tRELAY',
      'Connect:203.0.113.50\tREJECT',
      '203.0.113.51\tREJECT',
      'Connect:198.18.5\tREJECT',
    ])
    expect(await file('.static')).toContain('# relays of the branch offices')
    expect(
      popauthd.events
        .filter(({ level }) => level === 'warn')
        .map((e) => JSON.stringify(e))
        .join(),
    ).toContain('203.0.113.40')
    expect((await askRelay(client, { from: '203.0.113.40' })).code).toBe(550)
    expect((await askRelay(client, { from: '203.0.113.41' })).code).toBe(250)
  })

  it('permits after a login and not before; access is access.static and the live entries, access.info in step', async () => {
    expect((await askRelay(client)).code).toBe(550)
    expect((await curlLogin(lab, client)).code).toBe(0)
    await permitted('198.51.100.7')
    const sent = await swaksSend(lab, client, { to: FOREIGN })
    expect(sent.code, sent.stdout).toBe(0)
    const text = await file()
    expect(text).toContain((await file('.static')).trim())
    expect(text).toMatch(/^Connect:198\.51\.100\.7\tRELAY$/m)
    expect(await sendmail.dumpAccess()).toContain('connect:198.51.100.7\tRELAY')
    await waitFor(
      'access.info',
      async () =>
        /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\talice\t198\.51\.100\.7\t\d{10}$/m.test(await file('.info')) ||
        undefined,
    )
  })

  it('permits an IPv6 host after an IMAP login', async () => {
    const from = '2001:db8:2::7'
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await curlLogin(lab, client, { from, protocol: 'imap' })).code).toBe(0)
    await permitted(from)
    expect(await file()).toMatch(/^Connect:IPv6:2001:db8:2:0:0:0:0:7\tRELAY$/m)
  })

  it('keeps owner, group and mode of text and map', async () => {
    for (const suffix of ['', '.db']) {
      const { uid, gid, mode } = await stat(`${sendmail.accessPath}${suffix}`)
      expect({ uid, gid, mode }, suffix).toEqual(own)
    }
  })

  it('reaches an open session: permitted after the login, refused within 2 s of the expiry', async () => {
    const from = '203.0.113.42'
    await using session = await openTransaction(client, { from })
    expect((await session.rcpt(FOREIGN)).code).toBe(550)
    await log.write(qpopperLine('bob', from, WINDOW_SECONDS - 6))
    const { until } = await popauthd.event('authorization granted', { ip: from })
    await answers(session, 250)
    const refusedAtMs = await answers(session, 550)
    expect(refusedAtMs - Date.parse(String(until))).toBeGreaterThanOrEqual(0)
    expect(refusedAtMs - Date.parse(String(until))).toBeLessThanOrEqual(2000)
    expect(await file()).not.toContain(from)
    await waitFor('access.info without it', async () => !(await file('.info')).includes(from) || undefined)
  })

  it('renewal keeps the entry beyond the first window', async () => {
    const from = '203.0.113.43'
    await log.write(qpopperLine('bob', from, WINDOW_SECONDS - 4))
    const first = await popauthd.event('authorization granted', { ip: from })
    await log.write(qpopperLine('bob', from, 1))
    await popauthd.event('authorization extended', { ip: from })
    const endMs = Date.parse(String(first.until))
    await waitFor('the end of the first window', () => Date.now() > endMs + 2000 || undefined)
    expect((await askRelay(client, { from })).code).toBe(250)
  })

  it('closes on revoke within 2 s, in an open session too', async () => {
    const from = '203.0.113.44'
    await log.write(qpopperLine('carol', from))
    await permitted(from)
    await using session = await openTransaction(client, { from })
    await answers(session, 250)
    await popauthd.ask('revoke', from)
    const answeredAtMs = Date.now()
    expect((await answers(session, 550)) - answeredAtMs).toBeLessThanOrEqual(2000)
  })

  it('lets a REJECT in access.static stand against a login: tagged, untagged, by prefix', async () => {
    const closed = ['203.0.113.50', '203.0.113.51', '198.18.5.9']
    for (const from of closed) {
      expect((await curlLogin(lab, client, { from, user: 'bob' })).code).toBe(0)
      await popauthd.event('login refused', { ip: from, reason: 'static' })
    }
    await log.write(qpopperLine('alice', '203.0.113.52'))
    await permitted('203.0.113.52')
    for (const from of closed) expect((await askRelay(client, { from })).code).toBe(550)
    const text = await file()
    expect(text.match(/203\.0\.113\.50|203\.0\.113\.51|198\.18\.5/g)).toHaveLength(3)
  })

  it('takes in an edit of access.static by itself: what it opens opens, what it refuses closes a logged-in host', async () => {
    const [opened, closed] = ['203.0.113.60', '203.0.113.61']
    await log.write(qpopperLine('alice', closed))
    await permitted(closed)
    await appendFile(`${sendmail.accessPath}.static`, `Connect:${opened}\tRELAY\nConnect:${closed}\tREJECT\n`)
    await permitted(opened)
    await waitFor('refused', async () => (await askRelay(client, { from: closed })).code === 550 || undefined)
    await popauthd.event('authorization ended', { ip: closed, reason: 'static' })
  })

  it('notices a hand edit of access and keeps it in access.static', async () => {
    const from = '203.0.113.62'
    await appendFile(sendmail.accessPath, `Connect:${from}\tRELAY\n`)
    await permitted(from)
    expect(await file('.static')).toContain(`Connect:${from}\tRELAY`)
    expect((await file()).match(new RegExp(from, 'g'))).toHaveLength(1)
  })

  it('closes on stop with when_stopped: close; static entries remain', async () => {
    const from = '203.0.113.63'
    await popauthd.restartWith({ when_stopped: 'close' })
    await log.write(qpopperLine('alice', from))
    await permitted(from)
    await using session = await openTransaction(client, { from })
    await answers(session, 250)
    expect(await popauthd.stop()).toBe(0)
    await answers(session, 550)
    expect(liveEntries(await file(), await file('.static'))).toEqual([])
    expect((await askRelay(client, { from: '203.0.113.41' })).code).toBe(250)
  })

  it('opens again at the next start what is still in time', async () => {
    await popauthd.configure({ when_stopped: 'until_expiry' })
    await popauthd.start()
    await permitted('203.0.113.63')
  })

  it('stays until its time when the daemon is dead, then prune closes it', async () => {
    const from = '203.0.113.64'
    await log.write(qpopperLine('alice', from, WINDOW_SECONDS - 7), qpopperLine('bob', '203.0.113.65'))
    const { until } = await popauthd.event('authorization granted', { ip: from })
    await permitted(from)
    await popauthd.kill()
    expect(await popauthd.ask('prune')).toMatchObject({ daemon: false, maps: [{ state: 'in_step' }] })
    expect((await askRelay(client, { from })).code).toBe(250)
    await using session = await openTransaction(client, { from })
    await answers(session, 250)
    await waitFor('its end', () => Date.now() >= Date.parse(String(until)) || undefined)
    expect(await popauthd.ask('prune')).toMatchObject({ daemon: false, maps: [{ state: 'in_step' }] })
    expect((await session.rcpt(FOREIGN)).code).toBe(550)
    expect((await askRelay(client, { from })).code).toBe(550)
    expect((await askRelay(client, { from: '203.0.113.65' })).code).toBe(250)
  })

  it('prune closes all with when_stopped: close and a dead daemon', async () => {
    await popauthd.configure({ when_stopped: 'close' })
    expect(await popauthd.ask('prune')).toMatchObject({ daemon: false, maps: [{ state: 'closed' }] })
    expect(liveEntries(await file(), await file('.static'))).toEqual([])
    expect((await askRelay(client, { from: '203.0.113.65' })).code).toBe(550)
  })

  it('runs the set-up of 2002 with etc/classic.yaml: untagged keys, a week', async () => {
    for (const suffix of ['.static', '.info', '.before-popauthd']) await rm(`${sendmail.accessPath}${suffix}`)
    await sendmail.makeAccess('10.1.2\tRELAY\n')
    const classic = parse(await readFile(new URL('../../../etc/classic.yaml', import.meta.url), 'utf8'))
    const config = { ...classic, sendmail_access: { ...classic.sendmail_access, ...sendmail.accessConfig } }
    const { sources: _, ...rest } = config
    await using old = new Popauthd({ directory: `${lab.shared}/classic`, logs: [log.path], config: rest })
    await old.start()
    const from = '203.0.113.66'
    await log.write(qpopperLine('alice', from, 6 * 86_400))
    await permitted(from)
    expect(await file()).toMatch(new RegExp(`^${from.replaceAll('.', '\\.')}\tRELAY$`, 'm'))
    expect(await file('.static')).toContain('10.1.2\tRELAY')
  })

  async function permitted(from: string): Promise<void> {
    await waitFor(`250 for ${from}`, async () => (await askRelay(client, { from })).code === 250 || undefined)
  }

  /** Asks again until the answer has this code; resolves with the time of the first one that had. */
  function answers(session: SmtpSession, code: number): Promise<number> {
    return waitFor(`${code} in the open session`, async () => {
      const reply = await session.rcpt(FOREIGN)
      return reply.code === code ? Date.now() : undefined
    })
  }
})

function liveEntries(text: string, staticText: string): string[] {
  const known = new Set(staticText.split('\n'))
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !known.has(line))
}

function numbered(prefix: string, first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `${prefix}${first + i}`)
}
