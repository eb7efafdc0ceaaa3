// `doctor mta` of OpenSMTPD, Courier and qmail's tcpserver, each with the MTA's own tools of Debian: what is attached as the pages say, and what is broken.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import type { OverlayRoot } from '../../support/overlay-root.ts'
import { blocksOf, commandsOf } from '../../support/page-blocks.ts'
import { qpopperLine, TestLog } from '../../support/popauthd.ts'
import { expectFinding, installPopauthd, type PopauthdInRoot } from '../../support/popauthd-in-root.ts'
import { qmailRoot, SMTP_FRONT, startTcpserver } from '../../support/qmail.ts'
import { mustRun } from '../../support/run.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const CLIENT = '198.51.100.7'

describe.skipIf(unavailable)(`doctor mta${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let root: OverlayRoot
  let popauthd: PopauthdInRoot
  let log: TestLog

  beforeEach(async () => {
    lab = await openLab()
    log = new TestLog(`${lab.shared}/log/popper.log`)
    await log.write()
  })
  afterEach(async () => {
    await lab?.[Symbol.asyncDispose]()
  })

  const shell = (script: string) => root.exec(['sh', '-ec', script])
  const config = (more = '') => `sources:\n  - file: ${log.path}\n    timezone: UTC\n${more}`
  const install = async (mta: string) => {
    popauthd = await installPopauthd(lab, root, config())
    const written = await popauthd.cli('setup', 'mta', mta, '--write', '--yes')
    expect(written, written.stdout + written.stderr).toMatchObject({ code: 0 })
  }
  const logIn = async () => {
    await log.write(qpopperLine('alice', CLIENT))
    await waitFor('the login', async () => (await popauthd.cli('check', CLIENT)).code === 0 || undefined)
  }
  const soundWithin = (mta: string) =>
    waitFor('doctor to find nothing', async () => {
      const { code, findings } = await popauthd.doctor(mta)
      return code === 0 ? findings : undefined
    })

  it('qmail: the running tcpserver, its rules, and an open relay', async () => {
    root = await qmailRoot(lab)
    await mustRun('mount', ['--bind', '/proc', `${root.path}/proc`])
    await root.write('/etc/tcp.smtp', '127.:allow,RELAYCLIENT=""\n:allow\n')
    await install('qmail')
    expectFinding(
      (await popauthd.doctor('qmail')).findings,
      'unknown',
      /^recipe: no tcpserver for SMTP is seen running/,
    )
    await popauthd.start()
    await startTcpserver(lab, root, blocksOf('qmail.md')('run', { '/var/qmail/bin/qmail-smtpd': SMTP_FRONT }))
    await logIn()
    const findings = await soundWithin('qmail')
    expectFinding(findings, 'ok', /^recipe: port 25: reads the rules that popauthd keeps/)
    expectFinding(findings, 'ok', /^file: qmaild may read it/)
    expectFinding(findings, 'ok', /^tcprulescheck: has no login, and is refused/)
    expectFinding(findings, 'ok', /^tcprulescheck: may relay, and is permitted/)
    await root.write('/etc/tcp.smtp', ':allow,RELAYCLIENT=""\n')
    await waitFor('the open relay', async () => (await popauthd.doctor('qmail')).code === 1 || undefined)
    expectFinding((await popauthd.doctor('qmail')).findings, 'problem', /^tcprulescheck: .*OPEN RELAY/)
    await shell('rm /var/qmail/control/rcpthosts')
    expectFinding((await popauthd.doctor('qmail')).findings, 'problem', /^recipe: .*takes mail from everybody/)
  })

  it('Courier: its files, and smtpaccess.dat made of them', async () => {
    root = await lab.root('courierMta')
    await shell('mkdir -p /etc/systemd/system')
    await install('courier')
    await popauthd.start()
    await logIn()
    await waitFor(
      'the file',
      async () => (await shell(`grep ${CLIENT} /var/lib/popauthd/courier/smtpaccess || :`)) !== '' || undefined,
    )
    expectFinding((await popauthd.doctor('courier')).findings, 'problem', /^smtpaccess\.dat: is (not there|older)/)
    // What the unit does; no couriertcpd runs here that could be told.
    const unit = await shell('cat /etc/systemd/system/popauthd-courier.service')
    await root.tryExec(['sh', '-ec', commandsOf(unit)])
    const findings = await soundWithin('courier')
    expectFinding(findings, 'ok', /^recipe: popauthd is a copy of the file/)
    expectFinding(findings, 'ok', /^smtpaccess\.dat: says what the files say/)
    expectFinding(findings, 'ok', /^smtpaccess: has no login, and is refused/)
    expectFinding(findings, 'ok', /^smtpaccess: may relay, and is permitted/)
    await shell('ln -sf /var/lib/popauthd/courier/smtpaccess /etc/courier/smtpaccess/popauthd')
    expectFinding((await popauthd.doctor('courier')).findings, 'warning', /^recipe: popauthd is a link to /)
    await shell(`printf '203.0.113\\tallow,RELAYCLIENT\\n' >/etc/courier/smtpaccess/own`)
    const open = await popauthd.doctor('courier')
    expect(open.code).toBe(1)
    expectFinding(open.findings, 'problem', /^smtpaccess: .*OPEN RELAY/)
    expectFinding(open.findings, 'problem', /^smtpaccess\.dat: is older/)
  })

  const conf = (rules: string) =>
    root.write('/etc/smtpd.conf', `listen on 127.0.0.1\naction "local" maildir\naction "relay" relay\n${rules}`)

  it('OpenSMTPD: the rules, and the table program', async () => {
    root = await lab.root('opensmtpd')
    await install('opensmtpd')
    await conf('match from local for any action "relay"\n')
    expectFinding((await popauthd.doctor('opensmtpd')).findings, 'problem', /^recipe: does not ask popauthd/)
    await conf(blocksOf('opensmtpd.md')('rules'))
    await popauthd.start()
    await logIn()
    const findings = await soundWithin('opensmtpd')
    expectFinding(findings, 'ok', /^smtpd -n: is valid/)
    expectFinding(findings, 'ok', /^recipe: asks popauthd/)
    expectFinding(findings, 'ok', /^socket: opensmtpd may open it/)
    expectFinding(findings, 'ok', /^table program: says found/)
    expectFinding(findings, 'ok', /^table program: says not-found/)
    await popauthd.stop()
    expectFinding((await popauthd.doctor('opensmtpd')).findings, 'warning', /^table program: gives no answer/)
    await conf('match from any for any action "relay"\nnonsense\n')
    const { findings: broken } = await popauthd.doctor('opensmtpd')
    expectFinding(broken, 'problem', /^smtpd -n: is refused/)
    expectFinding(broken, 'problem', /^recipe: .*OPEN RELAY/)
  })
  it('OpenSMTPD by file: what the file says, and a note that nobody takes', async () => {
    const page = blocksOf('opensmtpd.md')
    root = await lab.root('opensmtpdFiles')
    popauthd = await installPopauthd(lab, root, config(page('map')))
    await conf(page('file rules'))
    await popauthd.start()
    await logIn()
    await shell('rm -f /var/lib/popauthd/opensmtpd-changed')
    const findings = await soundWithin('opensmtpd')
    expectFinding(findings, 'ok', /^smtpd -n: is valid/)
    expectFinding(findings, 'ok', /^recipe: reads the file that popauthd keeps/)
    expectFinding(findings, 'ok', /^file table: says nothing/)
    expectFinding(findings, 'ok', /^file table: says 198\.51\.100\.7,/)
    await shell('touch -d "1 hour ago" /var/lib/popauthd/opensmtpd-changed')
    expectFinding((await popauthd.doctor('opensmtpd')).findings, 'problem', /^note: is there since \d+ s/)
  })
})
