import { describe, expect, it } from 'vitest'
import { terminalLine } from './terminal-log.ts'

const show = (record: Record<string, unknown>, width = 200) =>
  terminalLine(JSON.stringify({ level: 30, time: Date.UTC(2026, 10, 22, 12), ...record }), { color: false, width })

describe('terminalLine', () => {
  it('says a login in words', () => {
    const line = show({ msg: 'login', user: 'alice', ip: '198.51.100.7', service: 'pop3', server: 'dovecot' })
    expect(line).toMatch(/^\d\d:00:00 {2}login {5}alice from 198\.51\.100\.7, pop3 \(dovecot\)\n$/)
  })

  it('says a logout in words, with the address where the line tells it', () => {
    const fields = { level: 20, msg: 'logout', user: 'alice', service: 'imap', server: 'dovecot' }
    expect(show(fields)).toMatch(/ {2}logout {4}alice, imap \(dovecot\)\n$/)
    expect(show({ ...fields, ip: '198.51.100.7' })).toMatch(/ {2}logout {4}alice from 198\.51\.100\.7, imap/)
  })

  it('shows the whole warning of a changed format, however narrow the terminal', () => {
    const detail =
      "dovecot: 214 lines look like logins but none matched: did its log format change? popauthd explain '<line>'"
    const record = {
      level: 40,
      msg: 'logins no longer recognized',
      source: '/var/log/mail.log',
      server: 'dovecot',
      detail,
    }
    expect(show(record, 80)).toContain(`warning   logins no longer recognized: /var/log/mail.log: ${detail}\n`)
  })

  it('shows what it has no words for with all fields', () => {
    expect(show({ msg: 'ready', following: '/var/log/mail.log', maps: 2 })).toMatch(
      /info {6}ready: following \/var\/log\/mail\.log, maps 2\n$/,
    )
  })

  it('says why the daemon stops, and names a log once', () => {
    expect(show({ msg: 'stopping', why: 'SIGINT' })).toMatch(/info {6}stopping: SIGINT\n$/)
    const [source, detail] = ['/var/log/mail.log', 'following /var/log/mail.log from byte 5']
    expect(show({ msg: 'log opened', source, detail })).toMatch(/info {6}log opened: following \S+ from byte 5\n$/)
    const restarted = { msg: 'log restarted', source: 'journal', detail: 'exit code 1' }
    expect(show(restarted)).toMatch(/log restarted: journal: exit code 1\n$/)
  })

  it('lets no byte of a log line reach the terminal raw, and cuts long ones', () => {
    const line = show({ msg: 'line refused', server: 'qpopper', reason: 'x', line: `\x1b[2J${'y'.repeat(500)}` }, 80)
    expect(line).toContain('\\x1b[2J')
    expect(line).not.toContain('\x1b')
    expect(line.length).toBeLessThanOrEqual(81)
  })
})
