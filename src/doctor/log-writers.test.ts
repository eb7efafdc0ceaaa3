import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evidenceOf, isUsualTarget, logEvidence, namesPath, namingConfig, writingProcesses } from './log-writers.ts'

const SYSLOG = 'Nov 22 13:35:56 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25'
const OWN = 'Nov 22 13:35:56 imap-login: Info: Login: user=<a>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the end of a log', () => {
  it('tells syslog lines from those of a server of its own', () => {
    expect(evidenceOf([SYSLOG, SYSLOG.replace('dovecot', 'sshd[7]'), '', 'garbage \u0001'])).toEqual({
      syslogPrograms: ['dovecot', 'sshd'],
      syslogLines: 2,
      ownLines: 0,
    })
    expect(evidenceOf([OWN, `${OWN}\r`])).toEqual({ syslogPrograms: [], syslogLines: 0, ownLines: 2 })
  })

  it('is read without what is in front of it, nor the line that is cut', async () => {
    const path = join(directory, 'mail.log')
    writeFileSync(path, `${`${SYSLOG}\n`.repeat(1000)}${`${OWN}\n`.repeat(400)}`)
    expect(await logEvidence(path)).toMatchObject({ syslogLines: 0, ownLines: expect.any(Number) })
    expect((await logEvidence(path)).ownLines).toBeGreaterThan(100)
  })
})

describe('the configuration of a syslog daemon', () => {
  it.each([
    ['mail.*  -/var/log/mail.log', true],
    ['mail.* action(type="omfile" file="/var/log/mail.log")', true],
    ['destination d { file("/var/log/mail.log"); };', true],
    ['  # mail.* /var/log/mail.log', false],
    ['mail.* /var/log/mail.log.old', false],
    ['mail.* /chroot/var/log/mail.log', false],
    ['mail.* /var/log/mail.log-copy', false],
  ])('%s', (text, expected) => expect(namesPath(text, '/var/log/mail.log')).toBe(expected))

  it('is looked for in files and directories of them', async () => {
    const places = [join(directory, 'none.conf'), join(directory, 'rsyslog.d')]
    mkdirSync(join(directory, 'rsyslog.d'))
    expect(await namingConfig('/var/log/mail.log', places)).toBeUndefined()
    writeFileSync(join(directory, 'rsyslog.d', 'mail.conf.off'), 'mail.* /var/log/mail.log\n')
    expect(await namingConfig('/var/log/mail.log', places)).toBeUndefined()
    writeFileSync(join(directory, 'rsyslog.d', 'mail.conf'), 'mail.* /var/log/mail.log\n')
    expect(await namingConfig('/var/log/mail.log', places)).toBe(join(directory, 'rsyslog.d', 'mail.conf'))
  })

  it('has usual targets', () => {
    expect(['/var/log/mail.log', '/var/log/maillog', '/var/log/messages'].every(isUsualTarget)).toBe(true)
    expect(['/var/log/dovecot.log', '/home/a/var/log/mail.log'].some(isUsualTarget)).toBe(false)
  })
})

describe('the processes that have a file open', () => {
  it.skipIf(process.platform !== 'linux')(
    'are found, this one too, where they write (skipped: needs /proc)',
    async () => {
      const path = join(directory, 'mail.log')
      writeFileSync(path, '')
      const reading = openSync(path, 'r')
      const named = async () => (await writingProcesses(path, '/proc')).found.filter(({ pid }) => pid === process.pid)
      expect(await named()).toEqual([])
      const writing = openSync(path, 'a')
      expect(await named()).toMatchObject([{ pid: process.pid, program: expect.stringMatching(/node/) }])
      closeSync(reading)
      closeSync(writing)
    },
  )

  it('have the name of their program, and are not all seen by everybody', async () => {
    const path = join(directory, 'mail.log')
    writeFileSync(path, '')
    const proc = join(directory, 'proc')
    for (const pid of ['12', 'self']) {
      mkdirSync(join(proc, pid, 'fd'), { recursive: true })
      mkdirSync(join(proc, pid, 'fdinfo'))
      symlinkSync(path, join(proc, pid, 'fd', '3'))
      writeFileSync(join(proc, pid, 'fdinfo', '3'), 'pos:\t0\nflags:\t0102001\n')
      symlinkSync('/usr/sbin/rsyslogd', join(proc, pid, 'exe'))
    }
    expect(await writingProcesses(path, proc)).toEqual({ found: [{ pid: 12, program: 'rsyslogd' }], all: true })
    mkdirSync(join(proc, '13'))
    writeFileSync(join(proc, '13', 'fd'), 'cannot be listed')
    expect(await writingProcesses(path, proc)).toMatchObject({ all: false })
  })
})
