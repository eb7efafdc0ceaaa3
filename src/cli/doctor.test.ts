import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../doctor/finding.ts'
import { colorsFor } from '../lib/terminal.ts'
import { callCli } from './fake-process.ts'
import { exitCodeOf, findingsText } from './findings.ts'

const plain = colorsFor({ isTTY: false }, {})
const colored = colorsFor({ isTTY: true }, {})

function finding(verdict: Finding['verdict'], changes: Partial<Finding> = {}): Finding {
  return { check: 'log', subject: '/var/log/mail.log', verdict, text: 'a sentence', mends: [], ...changes }
}

describe('findings as text', () => {
  it('are lines within the width, with the ways to mend them, and a count', () => {
    const long = finding('problem', { text: 'word '.repeat(40).trim(), mends: ['first '.repeat(20).trim(), 'second'] })
    const text = findingsText([finding('ok'), long, finding('unknown', { check: 'table' })], plain, 60)
    const lines = text.split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
    expect(lines[0]).toBe('ok       log    /var/log/mail.log: a sentence')
    expect(lines[1]).toMatch(/^problem {2}log {4}\/var\/log\/mail\.log: word/)
    expect(text).toMatch(/\n {16}1\. first first/)
    expect(text).toMatch(/\n {16}2\. second\n/)
    expect(lines.at(-2)).toBe('1 problem, 0 warnings, 1 not looked at, 1 ok')
  })

  it('have colors on a terminal only, and nothing of a name reaches it', () => {
    const bad = finding('warning', { subject: '/tmp/\u001b[2Jx', text: 'a\nb\u202e' })
    expect(findingsText([bad], plain, 80)).not.toContain('\u001b')
    const text = findingsText([bad], colored, 80)
    expect(text).toContain('\u001b[33mwarning\u001b[39m')
    expect(text).toContain('\\x1b[2Jx')
    expect(text).toContain('a\\x0ab\\u202e')
  })
})

it('the exit code is that of the worst: a problem, then what could not be looked at', () => {
  expect(exitCodeOf([finding('ok'), finding('warning')])).toBe(0)
  expect(exitCodeOf([finding('unknown'), finding('warning')])).toBe(3)
  expect(exitCodeOf([finding('unknown'), finding('problem')])).toBe(1)
})

describe('on this host', () => {
  let directory: string
  let config: string
  let logPath: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
    config = join(directory, 'popauthd.yaml')
    logPath = join(directory, 'dovecot.log')
    writeFileSync(logPath, 'Nov 22 13:35:56 imap-login: Info: Login: user=<a>, method=PLAIN, rip=198.51.100.7\n')
    const socket = join(directory, 'control.sock')
    writeFileSync(
      config,
      `state_directory: ${join(directory, 'state')}\ncontrol: { socket: ${socket} }\nsources: [{ file: ${logPath} }]\n`,
    )
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const json = async (...args: string[]) => {
    const { code, stdout } = await callCli(['doctor', '--json', '--config', config, ...args])
    return { code, answer: JSON.parse(stdout) as { ok: boolean; findings: Finding[] } }
  }

  it('warnings are no problem; each check is told', async () => {
    const { code, answer } = await json()
    expect({ code, ok: answer.ok }).toEqual({ code: 0, ok: true })
    expect(new Set(answer.findings.map(({ check }) => check))).toEqual(
      new Set(['configuration', 'log', 'daemon', 'table', 'state']),
    )
    expect(answer.findings.filter(({ subject }) => subject === logPath).map(({ verdict }) => verdict)).toEqual([
      'ok',
      'ok',
    ])
  })

  it('a problem ends with 1; --log looks at another log', async () => {
    const other = join(directory, 'other.log')
    writeFileSync(other, '')
    chmodSync(other, 0o666)
    const { code, answer } = await json('--log', other)
    expect({ code, ok: answer.ok }).toEqual({ code: 1, ok: false })
    expect(answer.findings.find(({ verdict }) => verdict === 'problem')).toMatchObject({ check: 'log', subject: other })
    expect(answer.findings.some(({ subject }) => subject === logPath)).toBe(false)
  })

  it('a configuration that does not validate ends with 2', async () => {
    writeFileSync(config, 'window_secnds: 5\n')
    const { code, stderr } = await callCli(['doctor', '--config', config])
    expect(code).toBe(2)
    expect(stderr).toContain('window_seconds')
  })
})
