import { describe, expect, it } from 'vitest'
import type { Login } from '../core/login.ts'
import { parsers } from './index.ts'
import { LoginScanner } from './scanner.ts'

const AT_MS = 1_795_360_860_652

/** A connection and a login as popa3d writes them; journald adds what it knows of who sent them. */
function loginsOf(sender: Record<string, unknown>, program = 'popa3d', messages = POPA3D): Login[] {
  const entries = messages.map((MESSAGE) => ({
    MESSAGE,
    SYSLOG_IDENTIFIER: program,
    __REALTIME_TIMESTAMP: `${AT_MS}000`,
    _PID: '4711',
    _HOSTNAME: 'mx1',
    ...sender,
  }))
  const logins: Login[] = []
  new LoginScanner({ parsers, timezone: 'UTC' }).scan(
    Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')),
    { format: 'journal-json', newestMs: AT_MS },
    { login: (login) => logins.push(login), rejected: () => {} },
  )
  return logins
}

const POPA3D = ['Session from 203.0.113.9', 'Authentication passed for mallory']
const QPOPPER = ['(v4.0.5) POP login by user "mallory" at (evil.example) 203.0.113.9']
const GENUINE = { _UID: '1003', _COMM: 'popa3d', _EXE: '/usr/sbin/popa3d' }

describe('a local user who writes to the journal', () => {
  it.each(['session-3.scope', 'user@1003.service', 'cron.service', 'atd.service', 'apache2.service', 'init.scope', ''])(
    'forges no login by starting the server himself right after he wrote, in %j',
    (unit) => {
      expect(loginsOf({ ...GENUINE, _SYSTEMD_UNIT: unit })).toEqual([])
    },
  )

  it('forges none in a user namespace of his own, where /usr/sbin/popper is his', () => {
    const sender = { _UID: '1003', _COMM: 'popper', _EXE: '/usr/sbin/popper', _SYSTEMD_UNIT: 'session-3.scope' }
    expect(loginsOf(sender, 'popper', QPOPPER)).toEqual([])
  })

  it.each([
    ['a unit that hides as text of two', { _SYSTEMD_UNIT: ['popa3d.service', 'session-3.scope'] }],
    ['a unit of his own user manager named like the server', { _SYSTEMD_UNIT: 'user@1003.service/popa3d.service' }],
    ['an instance named like the server', { _SYSTEMD_UNIT: 'user@popa3d.service' }],
    ['no user id', { _UID: undefined, _SYSTEMD_UNIT: 'session-3.scope' }],
  ])('forges none with %s', (_, changes) => {
    expect(loginsOf({ ...GENUINE, ...changes })).toEqual([])
  })
})

describe('a server that has become the user who logs in', () => {
  it.each(['popa3d.service', 'popa3d@7-192.0.2.25:110-198.51.100.7:4711.service', 'xinetd.service', 'inetd.service'])(
    'is believed in %s',
    (unit) => {
      expect(loginsOf({ ...GENUINE, _SYSTEMD_UNIT: unit })).toHaveLength(1)
    },
  )

  it('is believed where systemd runs no units', () => {
    expect(loginsOf(GENUINE)).toHaveLength(1)
  })
})

it('believes root in any unit: nobody else has its user id', () => {
  expect(loginsOf({ ...GENUINE, _UID: '0', _SYSTEMD_UNIT: 'mail-container.scope' })).toHaveLength(1)
})
