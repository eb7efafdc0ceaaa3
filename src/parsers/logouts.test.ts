/** The ends of sessions: told as exactly as logins, and as hard to forge. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import type { Login, Logout } from '../core/login.ts'
import { parsers } from './index.ts'
import { LoginScanner } from './scanner.ts'

const NEWEST_MS = Date.UTC(2026, 10, 23)

function scan(text: string): { logins: Login[]; logouts: Logout[] } {
  const logins: Login[] = []
  const logouts: Logout[] = []
  new LoginScanner({ parsers, timezone: 'UTC', year: 2026, logouts: true }).scan(
    Buffer.from(`${text}\n`),
    { format: 'lines', newestMs: NEWEST_MS },
    { login: (login) => logins.push(login), logout: (logout) => logouts.push(logout), rejected: () => {} },
  )
  return { logins, logouts }
}

/** `service user session address` of each end that a line tells. */
function endsIn(line: string): string[] {
  const { logins, logouts } = scan(line)
  expect(logins).toEqual([])
  return logouts.map(({ service, user, session, address }) => [service, user, session ?? '-', address ?? '-'].join(' '))
}

const SESSION = 'b4J/pt1gF6rGM2QH'

describe('Dovecot', () => {
  it.each([
    // 2.3 and 2.4
    [
      `imap(alice)<314><${SESSION}>: Disconnected: Logged out in=9 out=470 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0`,
      `imap alice ${SESSION} -`,
    ],
    [
      `pop3(bob@example.com)<306><${SESSION}>: Disconnected: Logged out top=0/0, retr=0/0, del=0/0, size=0`,
      `pop3 bob@example.com ${SESSION} -`,
    ],
    [
      `imap(alice)<442><${SESSION}>: Disconnected: Connection closed (No commands sent) in=0 out=405 deleted=0`,
      `imap alice ${SESSION} -`,
    ],
    [
      `imap(alice)<442><${SESSION}>: Disconnected: Connection closed (IDLE running for 0.001 + waiting input for 7.2 secs, 2 B in + 10 B out, state=wait-input) in=10 out=405`,
      `imap alice ${SESSION} -`,
    ],
    [
      `imap(alice)<442><${SESSION}>: Disconnected: Connection closed: read(size=8192) failed: Connection reset by peer (No commands sent) in=0 out=405`,
      `imap alice ${SESSION} -`,
    ],
    [`imap-hibernate(alice)<442><${SESSION}>: Connection closed in=0 out=405`, `imap alice ${SESSION} -`],
    [`imap(alice)<442><${SESSION}>: Disconnected: Inactivity in=0 out=405`, `imap alice ${SESSION} -`],
    // 2.0 to 2.2
    ['imap(support@example.services): Disconnected: Logged out in=120 out=757', 'imap support@example.services - -'],
    ['imap(a b): Logged out in=9 out=385', 'imap a b - -'],
    ['imap(evil, rip=6.6.6.6,): Logged out in=9 out=385', 'imap evil, rip=6.6.6.6, - -'],
    ['pop3(alice): Disconnected for inactivity top=0/0, retr=0/0, del=0/0, size=0', 'pop3 alice - -'],
    // 1.x
    ['IMAP(alice): Disconnected: Logged out bytes=9/330', 'imap alice - -'],
    ['POP3(alice): Connection closed top=0/0, retr=0/0, del=0/0, size=0', 'pop3 alice - -'],
  ])('tells the end in %s', (message, wanted) => {
    expect(endsIn(`Nov 22 13:42:37 mx1 dovecot: ${message}`)).toEqual([wanted])
  })

  it.each([
    [
      `Nov 22 13:42:48 imap(a b)<510><${SESSION}>: Info: Disconnected: Logged out in=9 out=470`,
      `imap a b ${SESSION} -`,
    ],
    ['Nov 22 15:23:15 imap(bob@example.com): Info: Disconnected: Logged out bytes=9/330', 'imap bob@example.com - -'],
    ['dovecot: Nov 22 15:22:20 Info: IMAP(alice): Disconnected: Logged out bytes=9/330', 'imap alice - -'],
  ])('tells the end in its own file: %s', (line, wanted) => {
    expect(endsIn(line)).toEqual([wanted])
  })

  it.each([
    ['lmtp(alice)<7><abc>: Disconnect from local: Logged out (state=READY)'],
    ['imap-login: Disconnected (no auth attempts in 5 secs): user=<>, rip=198.51.100.7, lip=192.0.2.25'],
    [`imap(alice)<314><${SESSION}>: copy from INBOX: box=Logged out , uid=1`],
    // Names of accounts that hold what a line of another session would say.
    [`imap(alice)<7><${SESSION}>: Disconnected: Logged out in=1 out=2)<9><own>: Disconnected: Logged out in=9 out=470`],
    [`imap(alice)<7><${SESSION}>: Connection closed ()<9><own>: Disconnected: Logged out in=9 out=470`],
    ['imap(alice): Logged out in=1 out=2): Logged out in=9 out=385'],
    ['imap(alice): Connection closed (): Logged out in=9 out=385'],
    ['imap(alice): Connection closed (a) (): Logged out in=9 out=385'],
  ])('takes no end from %s', (message) => {
    expect(endsIn(`Nov 22 13:42:37 mx1 dovecot: ${message}`)).toEqual([])
  })

  it('takes no end from another program', () => {
    expect(endsIn(`Nov 22 13:42:37 mx1 cron[7]: imap(alice)<314><${SESSION}>: Disconnected: Logged out in=9`)).toEqual(
      [],
    )
  })

  it('tells the session in the login, too', () => {
    const line = `Nov 22 13:42:37 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=314, session=<${SESSION}>`
    expect(scan(line).logins).toMatchObject([{ user: 'alice', session: SESSION }])
  })
})

describe('UW ipop3d and imapd', () => {
  it.each([
    ['ipop3d[268]: Logout user=alice host=dsl-7.pool.example.net [198.51.100.7]', 'pop3 alice - 198.51.100.7'],
    ['imapd[410]: Logout user=alice host=[::ffff:198.51.100.12]', 'imap alice - 198.51.100.12'],
    ['imapd[410]: Autologout user=alice host=h.example [198.51.100.12]', 'imap alice - 198.51.100.12'],
    ['imapd[410]: Killed (lost mailbox lock) user=alice host=h.example [198.51.100.12]', 'imap alice - 198.51.100.12'],
    ['ipop3d[410]: Killed user=alice host=h.example [198.51.100.12]', 'pop3 alice - 198.51.100.12'],
    ['ipop3d[410]: Hangup user=alice host=h.example [198.51.100.12]', 'pop3 alice - 198.51.100.12'],
    [
      'ipop3d[410]: Command stream end of file while reading line user=alice host=h.example [198.51.100.12]',
      'pop3 alice - 198.51.100.12',
    ],
    [
      'imapd[410]: Connection reset by peer, while reading line user=alice host=h.example [198.51.100.12]',
      'imap alice - 198.51.100.12',
    ],
    [
      'imapd[410]: Unexpected client disconnect, while reading line user=bob host=[2001:db8:2::7]',
      'imap bob - 2001:db8:2::7',
    ],
    ['imapd[410]: Broken pipe, while writing text user=alice host=[198.51.100.12]', 'imap alice - 198.51.100.12'],
  ])('tells the end in %s', (message, wanted) => {
    expect(endsIn(`Nov 22 14:20:05 mx1 ${message}`)).toEqual([wanted])
  })

  it.each([
    ['imapd[410]: Logout user=??? host=[198.51.100.12]'],
    ['imapd[410]: Logout user=x host=[6.6.6.6] host=[198.51.100.12]'],
    ['imapd[410]: Logout user=x host=h.example'],
    ['imapd[410]: Logout user=x host=SSH_CLIENT=198.51.100.12'],
    ['imapd[410]: Logout host=h.example [198.51.100.12]'],
    [
      'imapd[258]: Logout user=alice host=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.yyyyyyyyyyyyyyyyyyyyyyyy.example.net [203.0.113.7',
    ],
    ['imapd[258]: Login failed user=Logout user=alice auth=x host=h.example [198.51.100.12]'],
    ['sendmail[258]: Logout user=alice host=h.example [198.51.100.12]'],
  ])('takes no end from %s', (message) => {
    expect(endsIn(`Nov 22 14:20:05 mx1 ${message}`)).toEqual([])
  })
})

describe('a user name', () => {
  const pieces = [
    'x',
    ')',
    '(',
    '<',
    '>',
    ': ',
    '<7><victim>',
    'Disconnected: ',
    'Logged out ',
    'in=1 out=2',
    'imap(alice)',
    ' user=',
    ' host=',
  ]
  const addresses = ['h.example [6.6.6.6]', '[6.6.6.6]', 'Connection closed (', ' ', 'Logout', 'a'.repeat(60)]
  const hostile = fc
    .array(fc.constantFrom(...pieces, ...addresses), { minLength: 1, maxLength: 12 })
    .map((parts) => parts.join(''))
  const shapes: readonly ((name: string) => string)[] = [
    (name) => `Nov 22 14:00:00 m dovecot: imap(${name})<9><own>: Disconnected: Logged out in=9 out=470`,
    (name) => `Nov 22 14:00:00 m dovecot: imap(${name})<9><own>: Connection closed (No commands sent) in=9 out=470`,
    (name) => `Nov 22 14:00:00 imap(${name})<9><own>: Info: Disconnected: Logged out in=9 out=470`,
    (name) => `Nov 22 14:00:00 m imapd[5]: Logout user=${name} host=h.example [198.51.100.7]`,
    (name) => `Nov 22 14:00:00 m imapd[5]: Broken pipe, while reading line user=${name} host=[198.51.100.7]`,
    (name) => `Nov 22 14:00:00 m imapd[5]: Login failed user=${name} auth=${name} host=[198.51.100.7]`,
  ]

  it.each(shapes.map((shape) => [shape('NAME'), shape] as const))('ends no session of others: %s', (_line, shape) => {
    fc.assert(
      fc.property(hostile, (name) => {
        for (const { session, address } of scan(shape(name)).logouts)
          expect(session ?? address).toMatch(/^(own|198\.51\.100\.7)$/)
      }),
      effort(400),
    )
  })

  it('ends no session of another user before Dovecot 2.3, where no line names the session', () => {
    fc.assert(
      fc.property(hostile, (name) => {
        for (const { user } of scan(`Nov 22 14:00:00 m dovecot: imap(${name}): Logged out in=9 out=385`).logouts) {
          expect(user).toBe(name)
        }
      }),
      effort(400),
    )
  })
})
