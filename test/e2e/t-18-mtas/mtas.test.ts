// Postfix and Exim ask popauthd live, with the settings that docs/postfix.md and docs/exim.md give: the same scenes for each attachment.
import { chmod } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startDovecot } from '../../support/dovecot.ts'
import { startExim } from '../../support/exim.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { type PostfixOptions, startPostfix } from '../../support/postfix.ts'
import { askRelay, openSmtpSession, type SmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const LOCAL = 'alice@mx.example.net'
const WINDOW_SECONDS = 60
const postfixPage = blocksOf('postfix.md')
const eximPage = blocksOf('exim.md')

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

const entryOf = (page: typeof postfixPage, protocol: string) => {
  const { lookups } = parse(page('popauthd')) as { lookups: LookupEntry[] }
  return lookups.find((entry) => entry.protocol === protocol) as LookupEntry
}

async function postfix(lab: Lab, protocol: string, options: PostfixOptions): Promise<LookupEntry> {
  const { socketDirectory, root } = await startPostfix(lab, options)
  const entry = entryOf(postfixPage, protocol)
  const group = (await root.exec(['getent', 'group', entry.group])).split(':')[2] as string
  return { ...entry, socket: entry.socket.replace('/var/spool/postfix/popauthd', socketDirectory), group }
}

async function exim(lab: Lab): Promise<LookupEntry> {
  const entry = entryOf(eximPage, 'readsocket')
  const socket = `${lab.shared}/run/exim.sock`
  const { root } = await startExim(lab, eximPage('acl', { [entry.socket]: socket }))
  const group = (await root.exec(['getent', 'group', entry.group])).split(':')[2] as string
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

const proxied = postfixPage('socketmap', { 'socketmap:': 'proxy:socketmap:' })
const attachments: readonly Attachment[] = [
  {
    name: 'Postfix, socket map, chroot',
    start: (lab) => postfix(lab, 'socketmap', { mainCf: postfixPage('socketmap'), masterCf: postfixPage('own port') }),
    refusal: 554,
    away: 451,
    hung: undefined,
    afterwards: 250,
  },
  {
    name: 'Postfix, socket map, no chroot',
    start: (lab) => postfix(lab, 'socketmap', { mainCf: postfixPage('socketmap'), chroot: false }),
    refusal: 554,
    away: 451,
    hung: undefined,
    afterwards: 250,
  },
  {
    name: 'Postfix, socket map through proxymap',
    start: (lab) => postfix(lab, 'socketmap', { mainCf: proxied, script: postfixPage('proxy') }),
    refusal: 554,
    away: 451,
    hung: undefined,
    afterwards: 250,
  },
  {
    name: 'Postfix, policy service',
    start: (lab) => postfix(lab, 'policy', { mainCf: postfixPage('policy') }),
    refusal: 554,
    away: 450,
    hung: 450,
    afterwards: 250,
  },
  { name: 'Exim, readsocket', start: exim, refusal: 550, away: 451, hung: 451, afterwards: 451 },
]

describe.skipIf(unavailable).each(attachments)(
  `$name${unavailable ? ` (skipped: ${unavailable})` : ''}`,
  ({ name, start, refusal, away, hung, afterwards }) => {
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

    const onPortOfItsOwn = async () => {
      const port = 2525
      expect((await askRelay(client, { port })).code).toBe(250)
      expect((await askRelay(stranger, { port })).code).toBe(refusal)
      expect((await askRelay(stranger, { port }, LOCAL)).code).toBe(250)
    }
    if (name === 'Postfix, socket map, chroot') it('permits no more on a port of its own', onPortOfItsOwn)

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

    const writesDown = async () => {
      const from = '198.51.100.7'
      await using session = await openSmtpSession(client, { from })
      await session.mailFrom('boss"\u001b[31m@example.org')
      await session.mailFrom('boss@example.org')
      expect(await codeOf(session, 'audit@elsewhere.example.com')).toBe(250)
      const told = await popauthd.event('relay permitted', { ip: from, recipient: 'audit@elsewhere.example.com' })
      expect(told).toMatchObject({ level: 'info', user: 'alice', sender: 'boss@example.org' })
      expect(Date.parse(String(told.until))).toBe(Date.parse(String(told.login)) + WINDOW_SECONDS * 1000)
    }
    if (name.includes('policy')) it('writes down who relayed, and on which login', writesDown)

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
  },
)
