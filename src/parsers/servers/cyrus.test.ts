import { expect, it } from 'vitest'
import type { Login, Logout } from '../../core/login.ts'
import { LoginScanner } from '../scanner.ts'
import { cyrus } from './cyrus.ts'

function scan(lines: readonly string[]): { logins: Login[]; logouts: Logout[]; rejected: string[] } {
  const found = { logins: [] as Login[], logouts: [] as Logout[], rejected: [] as string[] }
  new LoginScanner({ parsers: [cyrus], timezone: 'UTC', logouts: true }).scan(
    Buffer.from(lines.map((line) => `${line}\n`).join('')),
    { format: 'lines', newestMs: Date.UTC(2026, 10, 23) },
    {
      login: (login) => found.logins.push(login),
      logout: (logout) => found.logouts.push(logout),
      rejected: ({ reason }) => found.rejected.push(reason),
    },
  )
  return found
}

const LOGIN =
  'Nov 22 14:09:21 mx1 cyrus/imap[398]: login: [198.51.100.7] carol plaintext User logged in SESSIONID=<mx1-1-398-1-2>'
const USAGE = 'Nov 22 14:09:22 mx1 cyrus/imap[398]: USAGE carol user: 0.000521 sys: 0.001216'

it('names a session alike at its login and at its end', () => {
  const { logins, logouts } = scan([LOGIN, USAGE])
  expect(logins).toMatchObject([{ user: 'carol', session: 'mx1 cyrus/imap[398]', tls: false }])
  expect(logouts).toEqual([
    {
      user: 'carol',
      service: 'imap',
      session: 'mx1 cyrus/imap[398]',
      server: 'cyrus',
      atMs: Date.UTC(2026, 10, 22, 14, 9, 22),
    },
  ])
})

it.each([
  ['of a delivery', USAGE.replace('cyrus/imap', 'cyrus/lmtpunix')],
  ['that may be of a delivery, behind a cut tag', USAGE.replace('cyrus/imap', 'cyrus')],
  ['without a process id', USAGE.replace('[398]', '')],
  ['with more behind it', `${USAGE} `],
])('takes no end of a session out of a line %s', (_what, line) => {
  expect(scan([line]).logouts).toEqual([])
})

it('tells of failed logins only those that imitate a success', () => {
  const failed = LOGIN.replace('login: ', 'badlogin: ')
  expect(scan([failed.replace(/User.*/, '(carol) invalid user')]).rejected).toEqual([])
  expect(scan([failed]).rejected).toEqual(['not a success line'])
})

it('tells whether TLS protects the session only where the line does', () => {
  const [old] = scan([LOGIN.replace(/ SESSIONID.*/, '')]).logins
  expect(old).toBeDefined()
  expect(old).not.toHaveProperty('tls')
  expect(scan([LOGIN.replace('plaintext', 'plaintext+TLS')]).logins).toMatchObject([{ tls: true }])
})
