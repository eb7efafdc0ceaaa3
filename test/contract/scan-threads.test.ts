/** A large file, which scan reads with two threads, must give what the same bytes give from a pipe, which it reads with one. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PROGRAM } from '../support/popauthd.ts'

const LINES = 200_000
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'popauthd-threads-'))
  const lines = Array.from({ length: LINES }, (_, i) => lineOf(i))
  writeFileSync(join(folder, 'mail.log'), lines.join(''))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Lines of many lengths; a login now and then, some of two lines that lie apart. */
function lineOf(i: number): string {
  const time = `Nov 22 ${new Date(i * 100).toISOString().slice(11, 19)} mx1`
  if (i % 40 === 0)
    return `${time} dovecot: imap-login: Login: user=<u${i}>, method=PLAIN, rip=198.51.100.${i % 250}, lip=192.0.2.25, TLS\n`
  if (i % 5000 === 1) return `${time} popa3d[${i - 1}]: Session from 203.0.113.${(i % 200) + 1}\n`
  if (i % 5000 === 4001) return `${time} popa3d[${i - 4001}]: Authentication passed for p${i}\n`
  return `${time} postfix/smtpd[${i}]: connect from unknown[192.0.2.9]${' x'.repeat(i % 97)}\n`
}

it('finds the same logins, with the same line numbers, in a file and in a pipe', () => {
  const args = ['scan', '--json', '--year', '2026', '--timezone', 'UTC']
  const path = join(folder, 'mail.log')
  const file = execFileSync(process.execPath, [PROGRAM, ...args, path], { encoding: 'utf8', maxBuffer: 1e9 })
  const pipe = spawnSync(process.execPath, [PROGRAM, ...args, '-'], {
    stdio: [openSync(path, 'r'), 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1e9,
  })
  const logins = file.trim().split('\n')
  expect(logins).toHaveLength(LINES / 40 + LINES / 5000)
  expect(pipe.stdout.replaceAll('"file":"-"', `"file":${JSON.stringify(path)}`)).toBe(file)
})

it('tells of a path that cannot be looked at in its own words', () => {
  const path = join(folder, 'mail.log', 'x')
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'scan', path], { encoding: 'utf8' })
  expect(status).toBe(3)
  expect(stderr).toContain(`popauthd: cannot read ${path}`)
})
