import { describe, expect, it } from 'vitest'
import type { SenderRule } from '../core/log-line.ts'
import type { Login } from '../core/login.ts'
import { parsers } from './index.ts'
import type { Parser } from './parser.ts'
import { LoginScanner } from './scanner.ts'
import { heedSenders } from './sender.ts'

const AT_MS = 1_795_360_860_652

/** A connection and a login as popa3d writes them; journald adds what it knows of who sent them. */
function loginsOf(
  sender: Record<string, unknown>,
  program = 'popa3d',
  messages = POPA3D,
  heeding: readonly Parser[] = parsers,
): Login[] {
  return scanned(sender, program, messages, heeding).logins
}

function scanned(sender: Record<string, unknown>, program: string, messages: readonly string[], of: readonly Parser[]) {
  const entries = messages.map((MESSAGE) => ({
    MESSAGE,
    SYSLOG_IDENTIFIER: program,
    __REALTIME_TIMESTAMP: `${AT_MS}000`,
    _PID: '4711',
    _HOSTNAME: 'mx1',
    ...sender,
  }))
  const logins: Login[] = []
  const reasons: string[] = []
  new LoginScanner({ parsers: of, timezone: 'UTC' }).scan(
    Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')),
    { format: 'journal-json', newestMs: AT_MS },
    { login: (login) => logins.push(login), rejected: ({ reason }) => reasons.push(reason) },
  )
  return { logins, reasons }
}

const POPA3D = ['Session from 203.0.113.9', 'Authentication passed for mallory']
const QPOPPER = ['(v4.0.5) POP login by user "mallory" at (evil.example) 203.0.113.9']
const DOVECOT = [
  'imap-login: Login: user=<mallory>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.25, mpid=4711, session=<x>',
]
const COURIER = ['LOGIN, user=mallory, ip=[::ffff:203.0.113.9], port=[50111], protocol=IMAP']
const GENUINE = { _UID: '1003', _COMM: 'popa3d', _EXE: '/usr/sbin/popa3d' }

describe('a local user who writes to the journal', () => {
  it.each([
    'session-3.scope',
    'user@1003.service',
    'cron.service',
    'atd.service',
    'apache2.service',
    'init.scope',
    '',
    'goimapnotify@mallory.service',
    'popularity-contest.service',
    'popauthd.service',
  ])('forges no login by starting the server himself right after he wrote, in %j', (unit) => {
    expect(loginsOf({ ...GENUINE, _SYSTEMD_UNIT: unit })).toEqual([])
  })

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
  it.each([
    'popa3d.service',
    'popa3d@7-192.0.2.25:110-198.51.100.7:4711.service',
    'xinetd.service',
    'inetd.service',
    'openbsd-inetd.service',
    'qpopper.service',
    'my-pop3.service',
    'uw-imapd@1.service',
    'cyrus-imapd.service',
  ])('is believed in %s', (unit) => {
    expect(loginsOf({ ...GENUINE, _SYSTEMD_UNIT: unit })).toHaveLength(1)
  })

  it('is believed where systemd runs no units', () => {
    expect(loginsOf(GENUINE)).toHaveLength(1)
  })
})

it('believes root in any unit: nobody else has its user id', () => {
  expect(loginsOf({ ...GENUINE, _UID: '0', _SYSTEMD_UNIT: 'mail-container.scope' })).toHaveLength(1)
})

describe('in the journal that is followed', () => {
  const live = { isLive: true, needsUnit: true }
  const ofHost = heedSenders(parsers, [], live)

  it.each([
    ['who has ended before journald saw his unit', 'popa3d', POPA3D, GENUINE],
    ['whom journald does not know at all', 'dovecot', DOVECOT, {}],
    ['of whom only the name of his own choice is known', 'dovecot', DOVECOT, { _COMM: 'log' }],
    [
      'who runs logger',
      'dovecot',
      DOVECOT,
      { _UID: '1003', _EXE: '/usr/bin/logger', _SYSTEMD_UNIT: 'session-3.scope' },
    ],
    [
      'who named a unit of his own dovecot.service',
      'dovecot',
      DOVECOT,
      {
        _UID: '1003',
        _EXE: '/usr/lib/dovecot/log',
        _SYSTEMD_UNIT: 'user@1003.service',
        _SYSTEMD_USER_UNIT: 'dovecot.service',
      },
    ],
    [
      'who writes in a container (Docker is root, and writes for everybody in it)',
      'dovecot',
      DOVECOT,
      { _UID: '0', _EXE: '/usr/bin/dockerd', _SYSTEMD_UNIT: 'docker.service', CONTAINER_NAME: 'dovecot' },
    ],
  ])('counts nothing of one %s, and says which option may', (_, program, messages, sender) => {
    const { logins, reasons } = scanned(sender, program, messages, ofHost)
    expect(logins).toEqual([])
    expect(reasons.length).toBeGreaterThan(0)
    for (const reason of reasons) expect(reason).toMatch(/^sent by .* \(option `senders`\)$/)
  })

  it('believes root without a unit', () => {
    expect(loginsOf({ ...GENUINE, _UID: '0' }, 'popa3d', POPA3D, ofHost)).toHaveLength(1)
  })
})

describe('who the operator says', () => {
  const log = { _UID: '0', _COMM: 'log', _EXE: '/usr/lib/dovecot/log', _SYSTEMD_UNIT: 'mail-store@2.service' }
  const own = { _UID: '1204', _COMM: 'log', _EXE: '/srv/dovecot/libexec/log', _SYSTEMD_UNIT: 'mail-store@2.service' }
  const count = (rule: SenderRule, sender: Record<string, unknown>) =>
    loginsOf(sender, 'dovecot', DOVECOT, heedSenders(parsers, [{ server: 'dovecot', ...rule }])).length

  it.each<[string, SenderRule, Record<string, unknown>, number]>([
    ['a unit', { units: ['mail-store@*.service'] }, log, 1],
    ['another unit: then root alone does not do', { units: ['dovecot.service'] }, log, 0],
    ['a unit, of which there is none', { units: ['mail-store@*.service'] }, { ...log, _SYSTEMD_UNIT: undefined }, 0],
    [
      'no instance with a slash',
      { units: ['mail-store@*.service'] },
      { ...log, _SYSTEMD_UNIT: 'mail-store@/x.service' },
      0,
    ],
    ['a beginning and an end that overlap', { units: ['a@*@.service'] }, { ...log, _SYSTEMD_UNIT: 'a@.service' }, 0],
    ['a program, and not where it runs', { executables: ['/srv/dovecot/libexec/log'] }, own, 0],
    ['a program and its unit', { executables: ['/srv/dovecot/libexec/log'], units: ['mail-store@*.service'] }, own, 1],
    ['a unit, and a program elsewhere', { units: ['mail-store@*.service'] }, own, 0],
    ['another program', { executables: ['/srv/dovecot/libexec/log'] }, log, 0],
    ['a program, where none is known', { executables: ['/usr/lib/dovecot/log'] }, { ...log, _EXE: undefined }, 0],
    ['users', { uids: [0, 1204] }, log, 1],
    ['other users', { uids: [1204] }, log, 0],
    ['users, where none is known', { uids: [0] }, { ...log, _UID: undefined }, 0],
    [
      'the program that writes for containers',
      { executables: ['/usr/bin/dockerd'], units: ['docker.service'] },
      { _UID: '0', _EXE: '/usr/bin/dockerd', _SYSTEMD_UNIT: 'docker.service' },
      1,
    ],
  ])('counts: %s', (_, rule, sender, logins) => {
    expect(count(rule, sender)).toBe(logins)
  })

  it('holds for the server that is named, and no other', () => {
    const heeding = heedSenders(parsers, [{ server: 'dovecot', uids: [7] }])
    const root = { _UID: '0', _EXE: '/usr/sbin/courierlogger' }
    expect(loginsOf(log, 'dovecot', DOVECOT, heeding)).toHaveLength(0)
    expect(loginsOf(root, 'imapd', COURIER, heeding)).toHaveLength(1)
  })

  it("holds for Courier's logger too, which is root's unless it is said", () => {
    const sender = { _UID: '110', _EXE: '/usr/sbin/courierlogger', _SYSTEMD_UNIT: 'courier-imap.service' }
    expect(loginsOf(sender, 'imapd', COURIER)).toHaveLength(0)
    expect(loginsOf(sender, 'imapd', COURIER, heedSenders(parsers, [{ server: 'courier', uids: [110] }]))).toHaveLength(
      1,
    )
  })
})
