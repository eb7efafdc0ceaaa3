import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../../test/support/effort.ts'
import type { Login, Logout } from '../../core/login.ts'
import { LoginScanner } from '../scanner.ts'
import { perdition } from './perdition.ts'

const START = 'Nov 22 14:28:35 mx1 '
const ENDS = '198.51.100.7:37605->192.0.2.25'

function scan(text: string): { logins: Login[]; logouts: Logout[] } {
  const logins: Login[] = []
  const logouts: Logout[] = []
  new LoginScanner({ parsers: [perdition], timezone: 'UTC', year: 2026, logouts: true }).scan(
    Buffer.from(`${START}${text}\n`),
    { format: 'lines', newestMs: Date.UTC(2026, 10, 23) },
    { login: (login) => logins.push(login), logout: (logout) => logouts.push(logout), rejected: () => {} },
  )
  return { logins, logouts }
}

describe('the end of a session', () => {
  it.each([
    [
      `perdition[441]: Closing session: ${ENDS}:143 authorisation_id=NONE authentication_id="o.brien" received=11 sent=18`,
      { user: 'o.brien', service: 'imap', address: '198.51.100.7' },
    ],
    [
      `perdition[441]: Closing session: 2001:db8:2::7:995->2001:db8:1::25:110 authorisation_id="bob" authentication_id="x" received=1 sent=8`,
      { user: 'bob', service: 'pop3', address: '2001:db8:2::7' },
    ],
    [
      'perdition.imap4[441]: Close: 11.1.1.2->13.3.3.4 user="user2" received=6 sent=0',
      { user: 'user2', service: 'imap', address: '11.1.1.2' },
    ],
    [
      'perdition[441]: Close: 11.1.1.2->13.3.3.4 user="user2" received=6 sent=0',
      { user: 'user2', service: 'any', address: '11.1.1.2' },
    ],
  ])('is told by %s', (line, logout) => {
    expect(scan(line)).toMatchObject({ logins: [], logouts: [logout] })
  })

  it.each([
    `perdition[1]: Closing NULL session: ${ENDS}:110 authorisation_id=NONE authentication_id="(null)"`,
    `perdition[1]: Closing session: ${ENDS}:143 authorisation_id=NONE authentication_id="x" y" received=11 sent=18`,
    `perdition[1]: Closing session: ${ENDS}:143 authorisation_id=NONE authentication_id="alice" received=11`,
    `sshd[1]: Closing session: ${ENDS}:143 authorisation_id=NONE authentication_id="alice" received=11 sent=18`,
  ])('is not told by %s', (line) => {
    expect(scan(line)).toEqual({ logins: [], logouts: [] })
  })
})

it('takes no failed login whose line was cut behind a status that the client wrote', () => {
  const texts = fc.array(fc.nat(400), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(texts, ([user = 0, password = 0, server = 0]) => {
      const name = `${'u'.repeat(user)}" passwd="${'p'.repeat(password)}" server="${'s'.repeat(server)}:143" protocol=IMAP4`
      const line = `perdition[1]: Auth: ${ENDS}:143 client-secure=ssl authorisation_id=NONE authentication_id="${name} server-secure=ssl status="ok"`
      const whole = `${START}${line}" server="192.0.2.26:143" protocol=IMAP4 server-secure=ssl status="failed"`
      for (const longest of [1023, 1024, 2048, 4095]) {
        const cut = whole.slice(0, longest).slice(START.length)
        if (START.length + line.length >= longest - 1) expect(scan(cut).logins).toEqual([])
      }
    }),
    effort(500),
  )
})
