// Proves that the laboratory's real servers do what the other end-to-end tests rely on.
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DovecotServer, startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin, fetchmailLogin, mpopLogin, swaksSend } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { startPopa3d } from '../../support/popa3d.ts'
import { type RsyslogServer, startRsyslog } from '../../support/rsyslog.ts'
import { run } from '../../support/run.ts'
import { type SendmailServer, startSendmail } from '../../support/sendmail.ts'
import { askRelay, openSmtpSession } from '../../support/smtp-session.ts'
import { linesOf, waitFor, waitForLine } from '../../support/wait-for.ts'

const unavailable = labAvailability()

describe.skipIf(unavailable)(`the laboratory${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let rsyslog: RsyslogServer
  let client: LabHost
  let stranger: LabHost

  beforeAll(async () => {
    lab = await openLab()
    rsyslog = await startRsyslog(lab)
    client = await lab.addClient('198.51.100.7', '2001:db8:2::7')
    stranger = await lab.addClient('203.0.113.9', '2001:db8:2::9')
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  describe('sendmail', () => {
    let sendmail: SendmailServer
    beforeAll(async () => {
      sendmail = await startSendmail(lab)
    })

    it('refuses to relay for clients it does not know, on IPv4 and IPv6', async () => {
      await sendmail.makeAccess('')
      expect(await askRelay(client)).toMatchObject({ code: 550, text: expect.stringContaining('Relaying denied') })
      expect(await askRelay(client, { from: '2001:db8:2::7' })).toMatchObject({ code: 550 })
    })

    it('relays for the clients of a hand-made access map, and for no other', async () => {
      await sendmail.makeAccess('Connect:198.51.100.7\tRELAY\nConnect:IPv6:2001:db8:2:0:0:0:0:7\tRELAY\n')
      expect(await sendmail.dumpAccess()).toEqual([
        'connect:198.51.100.7\tRELAY',
        'connect:ipv6:2001:db8:2:0:0:0:0:7\tRELAY',
      ])
      expect((await askRelay(client)).code).toBe(250)
      expect((await askRelay(client, { from: '2001:db8:2::7' })).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(550)
      expect((await askRelay(stranger, { from: '2001:db8:2::9' })).code).toBe(550)
    })

    it('keeps relayed mail in its queue, delivers local mail, and logs both', async () => {
      await sendmail.makeAccess('Connect:198.51.100.7\tRELAY\n')
      const sent = await swaksSend(lab, client, { to: 'x@elsewhere.example.com' })
      expect(sent.code, sent.stdout).toBe(0)
      expect((await sendmail.sendmail(['-bp'])).stdout).toContain('x@elsewhere.example.com')
      const refused = await swaksSend(lab, stranger, { to: 'x@elsewhere.example.com' })
      expect(refused.code, refused.stdout).toBe(24)
      expect((await swaksSend(lab, stranger, { to: 'alice@mx.example.net' })).code).toBe(0)
      await waitFor('mail for alice', async () => existsSync(`${sendmail.root.path}/var/mail/alice`) || undefined)
      await waitForLine(rsyslog.traditionalLog, /sendmail\S*\[\d+\]: .*reject=550/)
    })

    it('serves a session that stays open while the map is rebuilt', async () => {
      await sendmail.makeAccess('')
      const session = await openSmtpSession(client)
      await session.mailFrom()
      expect((await session.rcpt('x@elsewhere.example.com')).code).toBe(550)
      expect((await session.rcpt('alice@mx.example.net')).code).toBe(250)
      expect((await session.send()).code).toBe(250)
      expect((await session.nextTransaction()).code).toBe(250)
      await session[Symbol.asyncDispose]()
    })

    it('offers its makemap and editmap to programs on the host, with the same paths', async () => {
      const made = await run(sendmail.makemapCommand, ['-o', '-r', 'hash', sendmail.accessPath], {
        input: 'Connect:203.0.113.9\tRELAY\n',
      })
      expect(made).toMatchObject({ code: 0, stderr: '' })
      expect(await sendmail.dumpAccess()).toContain('connect:203.0.113.9\tRELAY')
      expect(
        (await run(sendmail.editmapCommand, ['-x', 'hash', sendmail.accessPath, 'Connect:203.0.113.9'])).code,
      ).toBe(0)
      expect(await sendmail.dumpAccess()).not.toContain('connect:203.0.113.9\tRELAY')
    })
  })

  for (const version of ['2.3', '2.4'] as const) {
    describe(`Dovecot ${version}`, () => {
      const verb = version === '2.3' ? 'Login' : 'Logged in'
      let bySyslog: DovecotServer
      let byFile: DovecotServer
      beforeAll(async () => {
        bySyslog = await startDovecot(lab, { version })
        byFile = await startDovecot(lab, { version, log: 'file', pop3Port: 1110, imapPort: 1143 })
      })
      afterAll(async () => {
        await bySyslog?.kill()
        await byFile?.kill()
      })

      it('logs POP3 and IMAP logins through rsyslog, in every format', async () => {
        expect(await curlLogin(lab, client)).toMatchObject({ code: 0 })
        expect(
          await curlLogin(lab, client, { protocol: 'imap', user: 'o.brien@example.net', from: '2001:db8:2::7' }),
        ).toMatchObject({ code: 0 })
        for (const path of [rsyslog.traditionalLog, rsyslog.isoLog, rsyslog.rfc5424Log]) {
          await waitForLine(path, new RegExp(`pop3-login: ${verb}: user=<alice>.*rip=198\\.51\\.100\\.7`))
          await waitForLine(path, new RegExp(`imap-login: ${verb}: user=<o\\.brien@example\\.net>.*rip=2001:db8:2::7`))
        }
      })

      it('logs logins into its own file', async () => {
        expect(await mpopLogin(lab, client, { user: 'bob', port: 1110 })).toMatchObject({ code: 0 })
        expect((await fetchmailLogin(lab, stranger, { protocol: 'imap', user: 'carol', port: 1143 })).code).toBe(1)
        const path = byFile.ownLog ?? ''
        await waitForLine(path, new RegExp(`pop3-login: Info: ${verb}: user=<bob>.*rip=198\\.51\\.100\\.7`))
        await waitForLine(path, new RegExp(`imap-login: Info: ${verb}: user=<carol>.*rip=203\\.0\\.113\\.9`))
      })

      it('logs no login for a wrong password', async () => {
        expect((await curlLogin(lab, stranger, { user: 'alice', password: 'wrong', port: 1110 })).code).toBe(67)
        await waitForLine(byFile.ownLog ?? '', /auth failed.*user=<alice>.*rip=203\.0\.113\.9/)
        const logins = (await linesOf(byFile.ownLog ?? '')).filter((line) => line.includes(`${verb}: user=<alice>`))
        expect(logins).toEqual([])
      })
    })
  }

  describe('popa3d', () => {
    it('logs a login in two lines of one process', async () => {
      const popa3d = await startPopa3d(lab)
      expect(await curlLogin(lab, client)).toMatchObject({ code: 0 })
      const second = await waitForLine(rsyslog.traditionalLog, /popa3d\[\d+\]: Authentication passed for alice/)
      const pid = /popa3d\[(\d+)\]/.exec(second)?.[1]
      await waitForLine(rsyslog.traditionalLog, new RegExp(`popa3d\\[${pid}\\]: Session from 198\\.51\\.100\\.7`))
      await popa3d.kill()
    })
  })

  it('leaves nothing behind', async () => {
    const other = await openLab()
    const servers = [await startRsyslog(other), await startSendmail(other)]
    const pids = await Promise.all(servers.map((server) => server.pid()))
    await other[Symbol.asyncDispose]()
    expect(await readdir('/run/netns')).not.toContain(other.server.namespace)
    expect(existsSync(other.shared)).toBe(false)
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
  })
})
