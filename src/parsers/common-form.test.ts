/** The shortcut for a server's most frequent line must make of every line what its grammar makes, or leave it to that. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import { parsers } from './index.ts'
import { parserSamples } from './samples.ts'
import { LoginScanner } from './scanner.ts'

const INFO = { format: 'lines', newestMs: Date.UTC(2026, 10, 23) } as const
const [short, whole] = [true, false].map((shortcuts) => new LoginScanner({ parsers, timezone: 'UTC', shortcuts })) as [
  LoginScanner,
  LoginScanner,
]

/** Everything that a scan tells of a line that stands alone. */
function told(scanner: LoginScanner, line: string): string {
  const all: unknown[] = []
  scanner.restore(undefined)
  scanner.scan(Buffer.from(`${line}\n`), INFO, {
    login: (login, at) => all.push(login, at.yearInferred),
    rejected: (rejected) => all.push(rejected),
  })
  return JSON.stringify(all.map((each) => (typeof each === 'object' ? Object.entries(each as object).sort() : each)))
}

const withForm = parsers.filter(({ common }) => common !== undefined)

/** Lines of each form, with and without what may be left out. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  dovecot: [
    'dovecot: imap-login: Login: user=<alice@example.com>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=314, TLS, session=<b4J/pt1gF6rGM2QH>',
    'dovecot[7]: pop3-login: Logged in: user=<o.brien>, method=CRAM-MD5, rip=198.51.100.7, lip=2001:db8::1, mpid=1, secured, session=<b4J/pt1gF6rGM2QH>',
    'dovecot: pop3-login: Login: user=<bob>, method=LOGIN, rip=198.51.100.7, lip=192.0.2.25, mpid=314',
  ],
  courier: [
    'imapd: LOGIN, user=alice, ip=[::ffff:198.51.100.7], port=[38717], protocol=IMAP',
    'pop3d-ssl[12]: LOGIN, user=o.brien@example.com, ip=[198.51.100.7], port=[38717], stls=1',
    'pop3d: LOGIN, user=bob, ip=[::ffff:198.51.100.7], port=[1], protocol=POP3, starttls=1',
  ],
  cyrus: [
    'cyrus/imaps[3]: login: pc.example.com [198.51.100.7] alice PLAIN+TLS User logged in SESSIONID=<mx1-1-2-3>',
    'imap[0012]: login: [198.51.100.7] bob plaintext User logged in',
    'pop3[9]: login: pc.example.com [198.51.100.7] carol CRAM-MD5 User logged in',
  ],
  qpopper: ['popper[21040]: (v4.0.5) POP login by user "michelle" at (pc.example.com) 198.51.100.7'],
  'uw-imap': [
    'ipop3d[3]: Login user=alice host=pc.example.com [198.51.100.7] nmsgs=1/2',
    'imapd[3]: Login user=bob host=[::ffff:198.51.100.7]',
  ],
}
const TIMES = ['Nov 22 13:35:56', 'Nov  2 03:05:06', '2026-11-22T13:35:56.544163+00:00', '2026-11-22T13:35:56Z']

/** What an attacker or another version may put in. */
const PIECES = [
  '',
  ' ',
  ', ',
  '>',
  '<',
  '=',
  '"',
  ']',
  '[',
  ')',
  '0',
  '256',
  '1.2.3',
  '.',
  '..',
  '::',
  ':',
  '-',
  '\t',
  'é',
  '\n',
]
const WORDS = [
  'Login: ',
  'LOGIN, user=',
  ' User logged in',
  'anonymous',
  ', TLS',
  ', protocol=POP3',
  'a'.repeat(50),
  'Jan 32',
  '25:00:00',
]

describe.each(withForm.map(({ id, common }) => [id, common?.pattern as RegExp] as const))(
  'the shortcut of %s',
  (id, pattern) => {
    const lines = TIMES.flatMap((time) => (LINES[id] ?? []).map((message) => `${time} mx1 ${message}`))

    it('takes its lines', () => {
      expect(lines).not.toEqual([])
      for (const line of lines) expect(pattern.test(line)).toBe(true)
    })

    it('makes the same of them, and of each sample', () => {
      const samples = parserSamples(id).filter(({ format }) => format === 'lines')
      for (const line of [...lines, ...samples.flatMap((sample) => sample.lines)]) {
        expect(told(short, line)).toBe(told(whole, line))
      }
      for (const line of lines) expect(told(short, line)).toContain('198.51.100.7')
    })

    it('makes the same of whatever is done to them', () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...lines),
          fc.nat(250),
          fc.nat(12),
          fc.constantFrom(...PIECES, ...WORDS),
          fc.constantFrom(...PIECES, ...WORDS),
          (line, at, cut, first, second) => {
            const changed = `${line.slice(0, at)}${first}${second}${line.slice(at + cut)}`
            expect(told(short, changed)).toBe(told(whole, changed))
          },
        ),
        effort(2000),
      )
    })
  },
)

describe('a shortcut', () => {
  it('is not taken while an earlier line may speak against it', () => {
    const scanner = new LoginScanner({ parsers, timezone: 'UTC' })
    const logins: string[] = []
    const cut = `Nov 22 13:00:00 mx1 imapd: LOGIN FAILED, user=${'a'.repeat(600)}`
    const forged = 'Nov 22 13:00:00 mx1 imapd: LOGIN, user=a, ip=[::ffff:198.51.100.66], port=[1]'
    scanner.scan(Buffer.from(`${cut}\n${forged}\n`), INFO, {
      login: ({ user }) => logins.push(user),
      rejected: () => {},
    })
    expect(logins).toEqual([])
  })
})
