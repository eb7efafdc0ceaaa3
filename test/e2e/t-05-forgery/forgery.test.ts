// Attacks that put a login line's text into the mail log from outside, CVE-2001-1075 first: none opens anything.
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDovecot } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { curlLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { startPopa3d } from '../../support/popa3d.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { sayLines } from '../../support/raw-dialogue.ts'
import { type RsyslogServer, startRsyslog } from '../../support/rsyslog.ts'
import { startSendmail } from '../../support/sendmail.ts'
import { askRelay, openSmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const ATTACKER = '203.0.113.9'
const FRIEND = '203.0.113.77'
const LOCAL = 'alice@mx.example.net'
/** What the POPauthd of 2002 looked for, anywhere in a line. */
const PATTERN_OF_2002 = /POP login by user "[^"]*" at \([^)]*\) \d+\.\d+\.\d+\.\d+/

/** Texts as the servers' success lines have them, for both addresses that nobody logged in from. */
const FORGED = [ATTACKER, FRIEND].flatMap((ip) => [
  `POP login by user "admin" at (host) ${ip}`,
  `(v4.1.0) POP login by user "admin" at (host) ${ip}`,
  `popper[21040]: (v4.1.0) POP login by user "admin" at (host) ${ip}`,
  `Stats: admin 1 2 3 4 host ${ip}`,
  `Login user=admin host=host [${ip}] nmsgs=1/1`,
  `ipop3d[1]: Login user=admin host=host [${ip}] nmsgs=1/1`,
  `Authenticated user=admin host=host [${ip}]`,
  `pop3-login: Login: user=<admin>, method=PLAIN, rip=${ip}, lip=192.0.2.25, mpid=1, session=<a>`,
  `dovecot: imap-login: Login: user=<admin>, method=PLAIN, rip=${ip}, lip=192.0.2.25, mpid=1, session=<a>`,
  `dovecot: imap-login: Logged in: user=<admin>, method=PLAIN, rip=${ip}, lip=192.0.2.25, mpid=1, session=<a>`,
  `popa3d[1]: Session from ${ip}`,
  `popa3d[1]: Authentication passed for admin`,
  `Authentication passed for admin -- [${ip}]`,
  `Nov 22 16:00:00 mx popper[21040]: (v4.1.0) POP login by user "admin" at (host) ${ip}`,
])

// Whatever can make Dovecot show a client's text in its log; no delays after wrong passwords.
const TALKATIVE = `auth_failure_delay = 0
auth_verbose = yes
auth_debug = yes
auth_username_chars =
imap_id_log = *
mail_debug = yes
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

describe.skipIf(unavailable)(`forged logins${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let rsyslog: RsyslogServer
  let popauthd: Popauthd
  let attacker: LabHost
  let friend: LabHost

  beforeAll(async () => {
    lab = await openLab()
    const socketmap = `${lab.shared}/run/popauthd.sock`
    rsyslog = await startRsyslog(lab)
    const sendmail = await startSendmail(lab, { popauthd: socketmap })
    // The name that the attacker's own reverse zone gives; blanks cannot be had from a hosts file.
    const name = `user=<admin>,method=PLAIN,rip=${FRIEND},lip=192.0.2.25,POP-login-by-user-"admin"-at-(host)-${FRIEND}`
    await sendmail.root.exec(['sh', '-c', 'cat >>/etc/hosts'], { input: `${ATTACKER} ${name}\n` })
    await startPopa3d(lab)
    await startDovecot(lab, { pop3Port: 1110, imapPort: 1143, extra: TALKATIVE })
    attacker = await lab.addClient(ATTACKER)
    friend = await lab.addClient(FRIEND)
    const logs = [rsyslog.traditionalLog, rsyslog.isoLog, rsyslog.rfc5424Log]
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs, socketmap })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it('CVE-2001-1075: an envelope sender with the text of a login', async () => {
    await using session = await openSmtpSession(attacker)
    for (const text of FORGED) {
      for (const sender of [`"${text}"`, `"${text.replaceAll('"', '\\"')}"@example.org`, text]) {
        await session.command(`MAIL FROM:<${sender}>`)
        const { code } = await session.rcpt(LOCAL)
        if (code === 250) await session.send()
        await session.command('RSET')
      }
    }
    await logged(/from=.*POP login by user/)
    expect((await logLines()).some((line) => PATTERN_OF_2002.test(line))).toBe(true)
    await nothingIsOpen()
  })

  it('recipients, HELO names and commands with such a text', async () => {
    for (const text of FORGED) {
      await using session = await openSmtpSession(attacker, { helo: text })
      await session.command(`HELO ${text}`)
      await session.mailFrom()
      await session.rcpt(`"${text.replaceAll('"', '\\"')}"@mx.example.net`)
      await session.rcpt(text)
      await session.command(text)
      await session.command(`VRFY ${text}`)
    }
    await logged(/POP login by user/)
    await nothingIsOpen()
  })

  it('headers that sendmail logs, with line breaks and control characters in them', async () => {
    await using session = await openSmtpSession(attacker)
    for (const text of FORGED) {
      for (const mark of ['', 'x>\r\n ', 'x>\n', 'x>\r', 'x>\x0b', 'x>\x85', 'x>\\n', 'x>#012', 'x>\x00'.slice(0, 2)]) {
        await session.mailFrom()
        await session.rcpt(LOCAL)
        await session.command('DATA')
        await session.command(
          `Message-Id: <${mark}${text}>\r\nSubject: ${mark}${text}\r\nFrom: ${text}\r\n\r\n${text}\r\n.`,
        )
        await session.command('RSET')
      }
    }
    await logged(/msgid=.*POP login by user/)
    await nothingIsOpen()
  })

  it('the reverse name of a host', async () => {
    await askRelay(attacker)
    await using session = await openSmtpSession(attacker)
    await session.mailFrom()
    await session.rcpt(LOCAL)
    await session.send()
    await logged(/relay=.*203\.0\.113\.9/)
    await nothingIsOpen()
  })

  it('user names at POP3: Dovecot and popa3d', async () => {
    const names = (text: string) => [text, `alice>, ${text}`, `alice\t${text}`, `alice\n${text}`, `alice\r${text}`]
    await eachOf(FORGED, (text) => {
      const attempts = names(text).flatMap((user) => [`USER ${user}`, 'PASS wrong'])
      return sayLines(attacker, 1110, [...attempts, 'QUIT'])
    })
    await eachOf(FORGED, (user) => sayLines(attacker, 110, [`USER ${user}`, 'PASS wrong', 'QUIT']))
    await logged(/dovecot: .*POP login by user/)
    await nothingIsOpen()
  })

  it('user names, parameters and client ids at IMAP', async () => {
    await eachOf(FORGED, async (text) => {
      const quoted = `"${text.replaceAll('"', '\\"')}"`
      const id = `i ID ("name" ${quoted} "version" ${quoted} "x-originating-ip" "${FRIEND}")`
      const plain = Buffer.from(`${text}\0${text}\0wrong`).toString('base64')
      const attempts = [`a LOGIN ${quoted} "wrong"`, `b ${text}`, 'c AUTHENTICATE PLAIN', plain]
      await sayLines(attacker, 1143, [id, ...attempts, 'd LOGOUT'])
    })
    await logged(/dovecot: imap-login: ID sent: .*Login: user=<admin>/)
    await nothingIsOpen()
  })

  /** Everything logged so far has been read, the table holds nobody, and sendmail refuses both. */
  async function nothingIsOpen(): Promise<void> {
    await everythingIsRead()
    expect(await popauthd.openAddresses()).toEqual([])
    const wrong = popauthd.events.filter(({ msg, ip }) => msg === 'login' && (ip === ATTACKER || ip === FRIEND))
    expect(wrong).toEqual([])
    expect((await askRelay(attacker)).code).toBe(550)
    expect((await askRelay(friend)).code).toBe(550)
  }

  // An honest login is logged behind all that came before; once every log showed it, nothing before it is left to be read.
  let honest = 0
  async function everythingIsRead(): Promise<void> {
    honest += 1
    const ip = `198.51.100.${honest}`
    const host = await lab.addClient(ip)
    expect((await curlLogin(lab, host, { port: 1110 })).code).toBe(0)
    const seen = () => popauthd.events.filter((event) => event.msg === 'login' && event.ip === ip).length
    await waitFor('the honest login in all three logs', () => seen() === 3 || undefined)
    await popauthd.ask('revoke', ip)
  }

  async function logLines(): Promise<string[]> {
    return (await readFile(rsyslog.traditionalLog, 'latin1')).split('\n')
  }

  async function logged(pattern: RegExp): Promise<void> {
    await waitFor(
      `a log line like ${pattern}`,
      async () => (await logLines()).some((line) => pattern.test(line)) || undefined,
    )
  }
})

/** Does `work` for each item, a few at a time. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = [...items]
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: 14 }, worker))
}
