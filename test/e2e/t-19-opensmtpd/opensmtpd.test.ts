// OpenSMTPD asks popauthd live through its table program, with the settings that docs/opensmtpd.md gives.
import { chmod, readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { type OpensmtpdServer, startOpensmtpd } from '../../support/opensmtpd.ts'
import { MAIL_HOST } from '../../support/overlay-root.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { run } from '../../support/run.ts'
import { askRelay, openSmtpSession, type SmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const LOCAL = 'alice@mx.example.net'
const WINDOW_SECONDS = 60
const page = blocksOf('opensmtpd.md')

/** An entry of `lookups`, as it stands on a page. */
interface LookupEntry {
  readonly protocol: string
  readonly socket: string
  readonly group: string
}

/** A way to attach an MTA. */
interface Attachment {
  readonly name: string
  /** Starts the MTA; returns the entry of `lookups` with the socket's path on the host. */
  readonly start: (lab: Lab) => Promise<LookupEntry>
  /** A relay attempt without a login, and while popauthd is away. */
  readonly refusal: number
  readonly away: number
  /** While popauthd hangs; undefined where the MTA waits for longer than a test should. */
  readonly hung: number | undefined
  /** What a session that met popauthd dead is told once it is back; new sessions are permitted in any case. */
  readonly afterwards: number
}

let smtpd: OpensmtpdServer

/** nsenter's arguments for a program beside smtpd, in its namespaces and root. */
const inside = (pid: number) => ['--target', String(pid), '--mount', '--pid', '--net', '--root', '--wd', '--']

async function opensmtpd(lab: Lab): Promise<LookupEntry> {
  const { lookups } = parse(page('popauthd')) as { lookups: [LookupEntry] }
  const [entry] = lookups
  const socket = `${lab.shared}/run/opensmtpd.sock`
  const rules = page('rules', { [entry.socket]: socket, '"example.net"': `"${MAIL_HOST}"` })
  smtpd = await startOpensmtpd(lab, { rules, script: page('program') })
  const group = (await smtpd.root.exec(['getent', 'group', entry.group])).split(':')[2] as string
  return { ...entry, socket, group }
}

/** Takes popauthd's place and says nothing: as it is met in the moment of its stop, or where it has too many connections. */
async function serverThatHangsUp({ socket }: LookupEntry) {
  const seen = { connections: 0 }
  const server = createServer((connection) => {
    seen.connections++
    connection.on('error', () => {})
    connection.once('data', () => connection.destroy())
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  await chmod(socket, 0o666)
  return {
    get connections() {
      return seen.connections
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}

const attachments: readonly Attachment[] = [
  { name: 'OpenSMTPD, table program', start: opensmtpd, refusal: 550, away: 451, hung: 451, afterwards: 250 },
]

describe.skipIf(unavailable).each(attachments)(
  `$name${unavailable ? ` (skipped: ${unavailable})` : ''}`,
  ({ start, refusal, away, hung, afterwards }) => {
    let lab: Lab
    let popauthd: Popauthd
    let client: LabHost
    let stranger: LabHost
    let log: TestLog
    let entry: LookupEntry

    beforeAll(async () => {
      lab = await openLab()
      const [attached, dovecot] = await Promise.all([start(lab), startDovecot(lab, { log: 'file' })])
      entry = attached
      client = await lab.addClient('198.51.100.7', '2001:db8:2::7', '198.51.100.8', '198.51.100.9', '198.51.100.10')
      stranger = await lab.addClient('203.0.113.9', '2001:db8:2::9')
      log = new TestLog(`${lab.shared}/log/popper.log`)
      await log.write()
      popauthd = new Popauthd({
        directory: `${lab.shared}/popauthd`,
        logs: [dovecot.ownLog as string, log.path],
        config: { window_seconds: WINDOW_SECONDS, lookups: [entry] },
      })
      await popauthd.start()
    })
    afterAll(async () => {
      await popauthd?.[Symbol.asyncDispose]()
      await lab?.[Symbol.asyncDispose]()
    })

    const codeOf = async (session: SmtpSession, recipient = FOREIGN) => (await session.rcpt(recipient)).code
    const sessionFrom = async (from: string) => {
      const session = await openSmtpSession(client, { from })
      await session.mailFrom()
      return session
    }

    it('refuses before a login, permits after a POP3 login of that host, and of no other', async () => {
      expect((await askRelay(client)).code).toBe(refusal)
      expect((await askRelay(client, {}, LOCAL)).code).toBe(250)
      expect((await curlLogin(lab, client)).code).toBe(0)
      await popauthd.event('authorization granted', { ip: '198.51.100.7', user: 'alice' })
      expect((await askRelay(client)).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(refusal)
      expect((await askRelay(client, { from: '198.51.100.8' })).code).toBe(refusal)
      await using session = await sessionFrom('198.51.100.7')
      expect(await codeOf(session)).toBe(250)
      expect((await session.send()).code).toBe(250)
      const { asked } = await popauthd.ask<{ asked?: { times: number; last: string } }>('why', '198.51.100.7')
      expect(asked?.times).toBeGreaterThanOrEqual(2)
      expect(Date.now() - Date.parse(asked?.last ?? '')).toBeLessThan(60_000)
    })

    it('permits an IPv6 host after its IMAP login, and its neighbors not', async () => {
      const from = '2001:db8:2::7'
      expect((await askRelay(client, { from })).code).toBe(refusal)
      expect((await curlLogin(lab, client, { from, protocol: 'imap', user: 'bob' })).code).toBe(0)
      await popauthd.event('authorization granted', { ip: from, user: 'bob' })
      expect((await askRelay(client, { from })).code).toBe(250)
      expect((await askRelay(stranger, { from: '2001:db8:2::9' })).code).toBe(refusal)
    })

    it('refuses from the instant of expiry, in an open session too', async () => {
      const from = '198.51.100.8'
      await using session = await sessionFrom(from)
      await log.write(qpopperLine('alice', from, WINDOW_SECONDS - 4))
      const { until } = await popauthd.event('authorization granted', { ip: from })
      const permitted: number[] = []
      await waitFor('the first refusal', async () => {
        const askedAtMs = Date.now()
        const code = await codeOf(session)
        if (code === 250) permitted.push(askedAtMs)
        return code === refusal || undefined
      })
      expect(permitted.length).toBeGreaterThan(0)
      expect(Math.max(...permitted)).toBeLessThan(Date.parse(String(until)))
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(String(until)))
    })

    it('closes on revoke, in an open session too', async () => {
      const from = '198.51.100.9'
      await using session = await sessionFrom(from)
      await log.write(qpopperLine('alice', from, 2))
      await popauthd.event('authorization granted', { ip: from })
      expect(await codeOf(session)).toBe(250)
      await popauthd.ask('revoke', from)
      expect(await codeOf(session)).toBe(refusal)
    })

    it('defers or refuses relaying while popauthd hangs, is killed, stopped; local mail goes on; a restart is all it takes', async () => {
      const from = '198.51.100.10'
      await log.write(qpopperLine('alice', from))
      await popauthd.event('authorization granted', { ip: from })
      await using session = await sessionFrom(from)
      expect(await codeOf(session)).toBe(250)
      popauthd.signal('SIGSTOP')
      expect(await codeOf(session, LOCAL)).toBe(250)
      if (hung !== undefined) expect(await codeOf(session)).toBe(hung)
      await popauthd.kill()
      expect(await codeOf(session)).toBe(away)
      expect(await codeOf(session, LOCAL)).toBe(250)
      expect((await askRelay(stranger)).code).toBe(away)
      await popauthd.start()
      expect(await codeOf(session)).toBe(afterwards)
      expect((await askRelay(client, { from })).code).toBe(250)
      expect(await popauthd.stop()).toBe(0)
      expect(await codeOf(session)).toBe(away)
      expect((await askRelay(client, { from }, LOCAL)).code).toBe(250)
      await using mute = await serverThatHangsUp(entry)
      expect((await askRelay(client, { from })).code).toBe(away)
      expect(mute.connections).toBeGreaterThan(0)
      await mute[Symbol.asyncDispose]()
      await popauthd.start()
      expect((await askRelay(client, { from })).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(refusal)
    })

    const tableProgram = async () => {
      const pids = (await run('ip', ['netns', 'pids', lab.server.namespace])).stdout.split('\n').filter(Boolean)
      const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
      return pids.filter((_, i) => lines[i]?.includes('table-popauthd')).map(Number)
    }

    it('runs one table program through all this, as a user of its own, whatever signal it gets', async () => {
      const [pid = 0, ...others] = await tableProgram()
      expect(others).toEqual([])
      const user = (await smtpd.root.exec(['id', '-u', 'opensmtpd'])).trim()
      expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s+${user}\\s+${user}\\s`, 'm'))
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.kill(pid, signal)
      expect((await askRelay(client)).code).toBe(250)
      expect(await tableProgram()).toEqual([pid])
      expect(smtpd.running()).toBe(true)
    })

    it('is no matter of updates', async () => {
      const pid = await smtpd.pid()
      const { code, stderr } = await run('nsenter', [...inside(pid), 'smtpctl', 'update', 'table', 'popauth'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    })

    it('holds up other mail for a moment, and only once, while popauthd hangs; says why', async () => {
      popauthd.signal('SIGSTOP')
      const startMs = performance.now()
      const relaying = askRelay(stranger)
      expect((await askRelay(client, {}, LOCAL)).code).toBe(250)
      expect((await relaying).code).toBe(away)
      const heldUpMs = performance.now() - startMs
      expect(heldUpMs).toBeLessThan(5000)
      for (let i = 0; i < 10; i++) expect((await askRelay(stranger)).code).toBe(away)
      expect(performance.now() - startMs - heldUpMs).toBeLessThan(10 * 900)
      expect(smtpd.output()).toMatch(
        /table-proc: popauth check failed: popauthd does not answer at \/.*opensmtpd\.sock/,
      )
      popauthd.signal('SIGCONT')
      await waitFor('an answer', async () => (await askRelay(stranger)).code === refusal || undefined)
      expect(smtpd.output()).toMatch(
        /table-proc: popauth check failed: cannot reach popauthd at .*: (ENOENT|ECONNREFUSED)/,
      )
    })

    it('delivers local mail, and takes what programs of the host itself send elsewhere, without popauthd', async () => {
      expect(await popauthd.stop()).toBe(0)
      await using session = await openSmtpSession(stranger)
      await session.mailFrom()
      expect((await session.rcpt(LOCAL)).code).toBe(250)
      expect((await session.send('while popauthd is away')).code).toBe(250)
      const maildir = `${smtpd.root.path}/home/alice/Maildir/new`
      await waitFor('the mail', async () => (await readdir(maildir).catch(() => []))[0])
      const pid = await smtpd.pid()
      const mail = { input: 'Subject: from the host itself\n\nHello.\n' }
      const sent = await run('nsenter', [...inside(pid), 'sendmail', '-f', 'bob@example.org', FOREIGN], mail)
      expect(sent).toMatchObject({ code: 0, stderr: '' })
      await popauthd.start()
    })

    it('ends smtpd when the table program is killed: which is why it must not end by itself', async () => {
      const [pid = 0] = await tableProgram()
      process.kill(pid, 'SIGKILL')
      // The next question tells smtpd.
      await askRelay(stranger).catch(() => undefined)
      await waitFor('the end of smtpd', () => !smtpd.running() || undefined)
    })
  },
)
