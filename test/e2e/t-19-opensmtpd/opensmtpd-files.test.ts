// OpenSMTPD reads a file table that popauthd keeps, with the settings that docs/opensmtpd.md gives and the shipped units.
import { existsSync, readFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
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
import { type RunResult, run } from '../../support/run.ts'
import { askRelay, openSmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const LOCAL = 'alice@mx.example.net'
const WINDOW_SECONDS = 60
const REFUSAL = 550
/** The map follows within 2 s of the end; the rest is the test's own. */
const LATEST_MS = 4000
const page = blocksOf('opensmtpd.md')
const UPDATE = ['/usr/sbin/smtpctl', 'update', 'table', 'popauth']

/** The values of a setting in a shipped unit file. */
function unitSetting(file: string, name: string): string[] {
  const text = readFileSync(new URL(`../../../packaging/systemd/${file}`, import.meta.url), 'utf8')
  return [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value as string)
}

describe.skipIf(unavailable).each(['6.8', '7.6'] as const)(
  `OpenSMTPD %s, file table${unavailable ? ` (skipped: ${unavailable})` : ''}`,
  (version) => {
    let lab: Lab
    let popauthd: Popauthd
    let client: LabHost
    let stranger: LabHost
    let log: TestLog
    let smtpd: OpensmtpdServer
    let path: string
    let mark: string
    let isOver = false
    const failures: string[] = []
    let systemd: Promise<void>

    const start = async () => {
      const [map] = (parse(page('map')) as { maps: [{ path: string }] }).maps
      const rules = page('file rules', { [map.path]: path, '"example.net"': `"${MAIL_HOST}"` })
      smtpd = await startOpensmtpd(lab, { rules, version })
    }

    /** Runs a program beside smtpd, with its mounts and processes. */
    const beside = async (command: readonly string[], by: readonly string[] = []): Promise<RunResult> => {
      const enter = ['--target', String(await smtpd.pid()), '--mount', '--pid', '--net', '--root', '--wd', '--']
      return run('nsenter', [...enter, ...by, ...command])
    }

    /** systemd's part: while the mark of the path unit is there, the lines of its service are run, with no more rights than it gives. */
    const playSystemd = async () => {
      const [theirs = ''] = unitSetting('popauthd-opensmtpd.path', 'PathExists')
      const [capability = ''] = unitSetting('popauthd-opensmtpd.service', 'CapabilityBoundingSet')
      const kept = capability.toLowerCase().replace('cap_', '')
      const rights = ['setpriv', '--bounding-set', `-all,+${kept}`, '--inh-caps', '-all']
      while (!isOver) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        if (!existsSync(mark) || !smtpd?.running()) continue
        for (const line of unitSetting('popauthd-opensmtpd.service', 'ExecStart')) {
          const command = line.split(' ').map((word) => word.replace(theirs, mark))
          const { code, stderr } = await beside(command, rights).catch(() => ({ code: 1, stderr: 'smtpd has ended' }))
          if (code === 0) continue
          // Restart=on-failure
          failures.push(`${line}: ${stderr}`)
          await writeFile(mark, '')
          break
        }
      }
    }

    beforeAll(async () => {
      lab = await openLab()
      path = `${lab.shared}/mail/hosts`
      mark = `${lab.shared}/mail/opensmtpd-changed`
      const dovecot = await startDovecot(lab, { log: 'file' })
      client = await lab.addClient('198.51.100.7', '2001:db8:2::7', '198.51.100.8', '198.51.100.9', '198.51.100.10')
      stranger = await lab.addClient('203.0.113.9', '2001:db8:2::9', '203.0.113.70', '2001:db8:3::70')
      log = new TestLog(`${lab.shared}/log/popper.log`)
      await log.write()
      const [map] = (parse(page('map')) as { maps: [{ path: string; command: string[] }] }).maps
      const command = map.command.map((word) => word.replace('/var/lib/popauthd/opensmtpd-changed', mark))
      expect(command).toContain(mark)
      const admission = { always: ['203.0.113.64/26', '2001:db8:3::/64'] }
      popauthd = new Popauthd({
        directory: `${lab.shared}/popauthd`,
        logs: [dovecot.ownLog as string, log.path],
        config: { window_seconds: WINDOW_SECONDS, maps: [{ ...map, path, command }], admission },
      })
      await popauthd.start()
      await start()
      systemd = playSystemd()
    })
    afterAll(async () => {
      isOver = true
      await systemd
      await popauthd?.[Symbol.asyncDispose]()
      await lab?.[Symbol.asyncDispose]()
    })

    const until = (code: number, from: string) =>
      waitFor(`${code} for ${from}`, async () => (await askRelay(client, { from })).code === code || undefined)
    const sessionFrom = async (from: string) => {
      const session = await openSmtpSession(client, { from })
      await session.mailFrom()
      return session
    }
    const grant = async (from: string, secondsLeft = WINDOW_SECONDS) => {
      const user = `user${from.replace(/.*\D/, '')}`
      await log.write(qpopperLine(user, from, WINDOW_SECONDS - secondsLeft))
      const { until } = await popauthd.event('authorization granted', { ip: from })
      return Date.parse(String(until))
    }

    it('refuses before a login, permits after a POP3 login of that host, and of no other; in an open session too', async () => {
      await using session = await sessionFrom('198.51.100.7')
      expect((await session.rcpt(FOREIGN)).code).toBe(REFUSAL)
      expect((await askRelay(client, {}, LOCAL)).code).toBe(250)
      expect((await curlLogin(lab, client)).code).toBe(0)
      await until(250, '198.51.100.7')
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      expect((await session.send()).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(REFUSAL)
      expect((await askRelay(client, { from: '198.51.100.8' })).code).toBe(REFUSAL)
    })

    it('permits an IPv6 host after its IMAP login, and its neighbors not', async () => {
      const from = '2001:db8:2::7'
      expect((await askRelay(client, { from })).code).toBe(REFUSAL)
      expect((await curlLogin(lab, client, { from, protocol: 'imap', user: 'bob' })).code).toBe(0)
      await until(250, from)
      expect((await askRelay(stranger, { from: '2001:db8:2::9' })).code).toBe(REFUSAL)
    })

    it('permits the networks that always may relay, and no others', async () => {
      expect((await askRelay(stranger, { from: '203.0.113.70' })).code).toBe(250)
      expect((await askRelay(stranger, { from: '2001:db8:3::70' })).code).toBe(250)
      expect((await askRelay(stranger, { from: '203.0.113.9' })).code).toBe(REFUSAL)
    })

    it('refuses soon after the expiry, in an open session too', async () => {
      const from = '198.51.100.8'
      const endMs = await grant(from, 5)
      await until(250, from)
      await using session = await sessionFrom(from)
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      await until(REFUSAL, from)
      expect(Date.now()).toBeGreaterThanOrEqual(endMs)
      expect(Date.now()).toBeLessThanOrEqual(endMs + LATEST_MS)
      expect((await session.rcpt(FOREIGN)).code).toBe(REFUSAL)
    })

    it('closes on revoke, in an open session too', async () => {
      const from = '198.51.100.9'
      await grant(from, 50)
      await until(250, from)
      await using session = await sessionFrom(from)
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      await popauthd.ask('revoke', from)
      await until(REFUSAL, from)
      expect((await session.rcpt(FOREIGN)).code).toBe(REFUSAL)
    })

    it('keeps who is in time while popauthd hangs, is killed, stopped; prune closes what is over; a restart goes on', async () => {
      const [from, over] = ['198.51.100.10', '198.51.100.8']
      await grant(from)
      await until(250, from)
      await using session = await sessionFrom(from)
      popauthd.signal('SIGSTOP')
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(REFUSAL)
      expect((await askRelay(stranger, {}, LOCAL)).code).toBe(250)
      popauthd.signal('SIGCONT')
      await log.write(qpopperLine('carol', over, WINDOW_SECONDS - 5))
      await until(250, over)
      await popauthd.kill()
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      await waitFor('a prune that closes it', async () => {
        await popauthd.ask('prune')
        return (await askRelay(client, { from: over })).code === REFUSAL || undefined
      })
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      expect((await askRelay(client, { from }, LOCAL)).code).toBe(250)
      await popauthd.start()
      await grant('198.51.100.9')
      await until(250, '198.51.100.9')
      expect((await session.rcpt(FOREIGN)).code).toBe(250)
      expect((await askRelay(client, { from: over })).code).toBe(REFUSAL)
    })

    it('has met no failure of the update so far', () => {
      expect(failures).toEqual([])
    })

    it('takes the update from root only', async () => {
      await smtpd.root.exec(['useradd', '--system', '--user-group', 'popauthd'])
      const asPopauthd = ['setpriv', '--reuid', 'popauthd', '--regid', 'popauthd', '--clear-groups']
      expect((await beside(UPDATE, asPopauthd)).code).not.toBe(0)
      if (version === '7.6') return
      await smtpd.root.write('/etc/sudoers.d/popauthd', page('sudoers'), 0o440)
      expect(await beside(['sudo', '-n', ...UPDATE], asPopauthd)).toMatchObject({ code: 0 })
      expect((await beside(['sudo', '-n', '/usr/sbin/smtpctl', 'stop'], asPopauthd)).code).not.toBe(0)
    })

    it('goes on without the file, which popauthd makes anew; does not start without it', async () => {
      const from = '198.51.100.10'
      expect(await popauthd.stop()).toBe(0)
      await rename(path, `${path}.away`)
      expect((await beside(UPDATE)).code).not.toBe(0)
      expect((await askRelay(client, { from })).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(REFUSAL)
      await smtpd.kill()
      expect((await smtpd.root.tryExec(['smtpd', '-n'])).code).not.toBe(0)
      await popauthd.start()
      await waitFor('the file', () => existsSync(path) || undefined)
      await start()
      expect((await askRelay(client, { from })).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(REFUSAL)
      await rm(path)
      await waitFor('the file', () => existsSync(path) || undefined)
      expect((await askRelay(client, { from })).code).toBe(250)
    })

    it('starts with a file in which nobody stands', async () => {
      await popauthd.configure({ when_stopped: 'close', admission: { always: [] } })
      expect(await popauthd.stop()).toBe(0)
      await popauthd.start()
      expect(await popauthd.stop()).toBe(0)
      expect(readFileSync(path, 'utf8')).not.toMatch(/^[^#]/m)
      await smtpd.kill()
      await start()
      expect((await askRelay(client)).code).toBe(REFUSAL)
      expect((await askRelay(client, {}, LOCAL)).code).toBe(250)
    })
  },
)
