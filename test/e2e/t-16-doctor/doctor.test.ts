// What doctor says of a log that a real rsyslog writes, beside the proof: an ordinary user forges a login there, and popauthd believes it.
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StatusAnswer } from '../../../src/admin/api-types.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { type RsyslogServer, startRsyslog } from '../../support/rsyslog.ts'
import { waitForLine } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const VICTIM = '198.51.100.66'

interface DoctorAnswer {
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

describe.skipIf(unavailable)(`doctor${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let rsyslog: RsyslogServer
  let popauthd: Popauthd

  beforeAll(async () => {
    lab = await openLab()
    rsyslog = await startRsyslog(lab)
    await chmod(rsyslog.socket, 0o666)
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs: [rsyslog.traditionalLog] })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  const ofLog = (answer: DoctorAnswer, path: string) => answer.findings.filter(({ subject }) => subject === path)

  it('finds that rsyslog has the log open, where nobody logs in and an address is opened all the same', async () => {
    const root = await lab.root('dovecot', 'attacker')
    const text = `imap-login: Login: user=<admin>, method=PLAIN, rip=${VICTIM}, lip=192.0.2.25, mpid=1, session=<a>`
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    await root.exec([...asNobody, 'logger', '--socket', rsyslog.socket, '--tag', 'dovecot', '-p', 'mail.info', text])
    await waitForLine(rsyslog.traditionalLog, new RegExp(VICTIM))
    await popauthd.event('authorization granted', { ip: VICTIM })
    const findings = ofLog(await popauthd.ask<DoctorAnswer>('doctor'), rsyslog.traditionalLog)
    const forgeable = findings.find(({ text }) => text.includes('forged login line is possible'))
    expect(forgeable).toMatchObject({ verdict: 'warning' })
    expect(forgeable?.text).toMatch(
      /a syslog daemon writes this file \(rsyslogd, PID \d+, has it open; .*syslog's form/,
    )
    expect(forgeable?.mends.join('\n')).toMatch(/log_path[\s\S]*dovecot-reports\.md/)
  })

  it('sees the daemon, and is content with a log that a server wrote itself', async () => {
    const own = join(lab.shared, 'dovecot-own.log')
    await writeFile(own, 'Nov 22 13:35:56 imap-login: Info: Login: user=<a>, method=PLAIN, rip=198.51.100.7\n')
    const answer = await popauthd.ask<DoctorAnswer>('doctor', '--log', own)
    expect(ofLog(answer, own).map(({ verdict }) => verdict)).toEqual(['ok', 'ok'])
    const { pid } = await popauthd.ask<StatusAnswer>('status')
    const daemon = answer.findings.find(({ check }) => check === 'daemon')
    expect(daemon).toMatchObject({ verdict: 'ok', text: expect.stringContaining(`(PID ${pid})`) })
    expect(answer.findings.find(({ check }) => check === 'table')).toMatchObject({ verdict: 'ok' })
  })
})
