import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Login } from '../../core/login.ts'
import { ManualClock } from '../../lib/clock.ts'
import { parsers } from '../../parsers/index.ts'
import { LoginScanner } from '../../parsers/scanner.ts'
import type { SourceNotice } from '../source.ts'
import { Mailroom } from './mailroom.ts'

const NOW = Date.parse('2026-11-22T13:36:00Z')
const LOGIN =
  'dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=42, session=<x>'
const POPPER = 'popper[42]: (v4.1.0) POP login by user "alice" at (host.example.org) 198.51.100.7'

function open(inboxBytes = 64 * 1024) {
  const notices: SourceNotice[] = []
  const clock = new ManualClock(NOW)
  const room = new Mailroom({ clock, notice: (notice) => notices.push(notice), inboxBytes, maxFrameBytes: 1000 })
  return { room, notices, clock }
}

/** The logins that come of one message. */
function loginsOf(...messages: string[]): Login[] {
  const { room } = open()
  for (const message of messages) expect(room.offer(Buffer.from(message, 'latin1'), 'test')).toBe(true)
  const logins: Login[] = []
  const scanner = new LoginScanner({ parsers, timezone: 'UTC' })
  const handler = { login: (login: Login) => logins.push(login), rejected: () => {} }
  scanner.scan(Buffer.from(room.inbox.take()), { format: 'lines', newestMs: NOW }, handler)
  return logins
}

describe('a message', () => {
  it.each([
    ['RFC 3164', `<22>Nov 22 13:35:56 mx ${LOGIN}`],
    ['RFC 3164, another server', `<22>Nov 22 13:35:56 mx ${POPPER}`],
    ['RFC 3164 with a day of one digit and two blanks', `<22>Nov  2 13:35:56 mx ${LOGIN}`],
    ['RFC 3164 without a host, as logger(1) writes to a socket', `<22>Nov 22 13:35:56 ${POPPER}`],
    ['as rsyslog forwards by default', `<22>2026-11-22T13:35:56.123456+01:00 mx ${LOGIN}`],
    ['RFC 5424', `<22>1 2026-11-22T13:35:56.123Z mx dovecot 42 - - ${LOGIN.slice(9)}`],
    [
      'RFC 5424 with structured data and a byte order mark',
      `<22>1 2026-11-22T13:35:56Z mx dovecot 42 - [a b="c\\]"] \xef\xbb\xbf${LOGIN.slice(9)}`,
    ],
    ['with a line feed at its end', `<22>Nov 22 13:35:56 mx ${LOGIN}\n`],
  ])('gives a login: %s', (_name, message) => {
    expect(loginsOf(message)).toMatchObject([{ user: 'alice', address: '198.51.100.7' }])
  })

  it.each([
    ['no priority', `Nov 22 13:35:56 mx ${LOGIN}`],
    ['a priority too high', `<192>Nov 22 13:35:56 mx ${LOGIN}`],
    ['a priority with zeros', `<022>Nov 22 13:35:56 mx ${LOGIN}`],
    ['no time (RFC 3164)', `<22>${LOGIN}`],
    ['no time, a host', `<22>mx ${LOGIN}`],
    ['no time, and one in its text', `<22>dovecot: Nov 22 13:35:56 Info: ${LOGIN.slice(9)}`],
    ['no time (RFC 5424)', `<22>1 - mx dovecot 42 - - ${LOGIN.slice(9)}`],
    ['two priorities', `<22><22>Nov 22 13:35:56 mx ${LOGIN}`],
    ['nothing', ''],
    ['a line feed before it', `\n<22>Nov 22 13:35:56 mx ${LOGIN}`],
    ['a line feed in it', `<22>Nov 22 13:35:56 mx sendmail[1]: x\n<22>Nov 22 13:35:56 mx ${LOGIN}`],
    ['a line feed in its login', `<22>Nov 22 13:35:56 mx ${LOGIN.replace('alice', 'ali\nce')}`],
    ['two line feeds at its end', `<22>Nov 22 13:35:56 mx ${LOGIN}\n\n`],
    ['CR', `<22>Nov 22 13:35:56 mx ${LOGIN}\r`],
    ['CR LF', `<22>Nov 22 13:35:56 mx ${LOGIN}\r\n`],
    ['NUL', `<22>Nov 22 13:35:56 mx ${LOGIN}\0`],
    ['NUL in it', `<22>Nov 22 13:35:56 mx ${LOGIN.replace('198', '\x00198')}`],
    ['escape', `<22>Nov 22 13:35:56 mx ${LOGIN.replace('alice', '\x1b[2Jalice')}`],
    ['tab', `<22>Nov 22\t13:35:56 mx ${LOGIN}`],
    ['more bytes than allowed', `<22>Nov 22 13:35:56 mx ${LOGIN.padEnd(1001, ' ')}`],
  ])('gives nothing: %s', (_name, message) => {
    expect(loginsOf(message)).toEqual([])
  })

  it('is one line at most, whatever it holds, and nothing of it is another line', () => {
    const text = fc
      .array(fc.constantFrom('\n', '\r', '\0', '\u0085', '\t', ' ', `<22>Nov 22 13:35:56 mx ${LOGIN}`, 'x'))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (rest) => {
        const { room } = open()
        room.offer(Buffer.from(`<22>Nov 22 13:35:56 mx sendmail[1]: ${rest}`), 'test')
        const lines = room.inbox.take().toString('latin1')
        expect(lines === '' || lines.indexOf('\n') === lines.length - 1).toBe(true)
        expect(lines.includes('\r')).toBe(false)
      }),
    )
  })
})

describe('the mailroom', () => {
  it('counts what it refuses and tells of a kind at most once a minute, with what came in between', () => {
    const { room, notices, clock } = open()
    for (let i = 0; i < 5; i++) room.offer(Buffer.from('<22>no time here'), '192.0.2.9')
    room.offer(undefined, '192.0.2.9')
    expect(notices.map(({ kind }) => kind)).toEqual(['refused', 'line_too_long'])
    clock.advance(60_000)
    room.offer(Buffer.from('<22>no \x1b[2Jtime'), '192.0.2.9')
    expect(notices.at(-1)?.detail).toContain('(and 4 more before it)')
    expect(notices.at(-1)?.detail).not.toContain('\x1b')
    expect(room.counts).toMatchObject({ messages: 0, without_time: 6, too_long: 1 })
  })

  it('has no room beyond its bytes until lines are taken, and loses none', async () => {
    const { room } = open(1001)
    const message = (i: number) => Buffer.from(`<22>Nov 22 13:35:56 mx x[1]: ${String(i).padStart(370, '.')}`)
    expect([1, 2, 3].map((i) => room.offer(message(i), 'test'))).toEqual([true, true, false])
    let isRoom = false
    const waiting = room.inbox.room().then(() => {
      isRoom = true
    })
    expect(isRoom).toBe(false)
    const first = room.inbox.take()
    await waiting
    expect(room.offer(message(3), 'test')).toBe(true)
    // What was taken stays as it is while the other buffer is filled.
    expect(first.toString()).toBe(`${message(1)}\n${message(2)}\n`)
    expect(room.inbox.take().toString()).toBe(`${message(3)}\n`)
    expect(room.counts.messages).toBe(3)
  })
})
