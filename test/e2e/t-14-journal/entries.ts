// Entries of the journal as real servers cause them, and as others do who would like to be taken for one.
import type { Entry } from '../../support/journal.ts'

/** Who wrote an entry, as journald records it. */
type Writer = Readonly<Record<`_${string}` | 'SYSLOG_IDENTIFIER', string | number | undefined>>

const root = (SYSLOG_IDENTIFIER: string, _EXE: string, _SYSTEMD_UNIT: string): Writer => ({
  SYSLOG_IDENTIFIER,
  _UID: 0,
  _COMM: _EXE.slice(_EXE.lastIndexOf('/') + 1).slice(0, 15),
  _EXE,
  _SYSTEMD_UNIT,
})

/** Dovecot's log process. */
export const DOVECOT = root('dovecot', '/usr/lib/dovecot/log', 'dovecot.service')

/** What Dovecot logs of a login; each address has a user of its own, since one user may hold open a few only. */
export function dovecotText(address: string): string {
  return `imap-login: Login: user=<at-${address}>, method=PLAIN, rip=${address}, lip=192.0.2.25, mpid=42, TLS, session=<x>`
}

/** A login to Dovecot. */
export function dovecot(address: string, more: Partial<Entry> = {}): Entry {
  return { MESSAGE: dovecotText(address), ...DOVECOT, ...more }
}

const popa3d = (address: string, writer: Writer): Entry[] =>
  [`Session from ${address}`, `Authentication passed for at-${address}`].map((MESSAGE) => ({ MESSAGE, ...writer }))

const POPA3D = {
  ...root('popa3d', '/usr/sbin/popa3d', 'popa3d@7-192.0.2.25:110-198.51.100.7:4711.service'),
  _UID: 1003,
}

/** Logins to real servers in their real units. */
export const GENUINE: readonly (readonly [string, (address: string) => Entry[]])[] = [
  ['Dovecot', (address) => [dovecot(address)]],
  ['Dovecot, before the last boot', (address) => [dovecot(address, { _BOOT_ID: '0b'.repeat(16), ageSeconds: 500 })]],
  [
    'Courier',
    (address) => [
      {
        MESSAGE: `LOGIN, user=at-${address}, ip=[::ffff:${address}], port=[50111], protocol=IMAP`,
        ...root('imapd', '/usr/sbin/courierlogger', 'courier-imap.service'),
      },
    ],
  ],
  ['popa3d, which has become the user', (address) => popa3d(address, POPA3D)],
  ['popa3d under inetd', (address) => popa3d(address, { ...POPA3D, _SYSTEMD_UNIT: 'inetd.service' })],
  [
    'Qpopper',
    (address) => [
      {
        MESSAGE: `(v4.1.0) POP login by user "at-${address}" at (host.example.org) ${address}`,
        ...root('popper', '/usr/sbin/popper', 'xinetd.service'),
        _UID: 1004,
      },
    ],
  ],
  [
    'Cyrus',
    (address) => [
      {
        MESSAGE: `login: host.example.org [${address}] at-${address} plaintext User logged in`,
        ...root('cyrus/pop3', '/usr/lib/cyrus/bin/pop3d', 'cyrus-imapd.service'),
        _UID: 101,
      },
    ],
  ],
]

const USER = { _UID: 1003, _SYSTEMD_UNIT: 'session-3.scope' }

/** Who else may get a line into the journal. */
export const FORGED: readonly (readonly [string, (address: string) => Entry[]])[] = [
  ['logger of a user', (address) => [dovecot(address, { ...USER, _COMM: 'logger', _EXE: '/usr/bin/logger' })]],
  ['a logger that had ended', (address) => [dovecot(address, { ...USER, _COMM: undefined, _EXE: undefined })]],
  [
    'systemd-cat of a user',
    (address) => [dovecot(address, { ...USER, _TRANSPORT: 'stdout', _COMM: 'cat', _EXE: '/usr/bin/cat' })],
  ],
  [
    'a unit dovecot.service of a user, with the true program',
    (address) => [
      dovecot(address, { _UID: 1003, _SYSTEMD_UNIT: 'user@1003.service', _SYSTEMD_USER_UNIT: 'dovecot.service' }),
    ],
  ],
  [
    'a program that a user calls log',
    (address) => [dovecot(address, { _UID: 1003, _EXE: '/home/mallory/dovecot/log' })],
  ],
  ['the true popa3d, started in a session', (address) => popa3d(address, { ...POPA3D, ...USER })],
  ['a container', (address) => [dovecot(address, container('/usr/bin/dockerd', 'docker.service'))]],
  ['a container of a user', (address) => [dovecot(address, { ...container('/usr/bin/conmon', 'x'), ...USER })]],
  ['nobody', (address) => [dovecot(address, nobody())]],
  ['the kernel', (address) => [dovecot(address, { ...nobody(), _TRANSPORT: 'kernel' })]],
  ['another machine', (address) => [dovecot(address, { _MACHINE_ID: '0c'.repeat(16) })]],
]

function container(_EXE: string, _SYSTEMD_UNIT: string) {
  return { CONTAINER_NAME: 'dovecot', CONTAINER_TAG: 'dovecot', _COMM: 'dockerd', _EXE, _SYSTEMD_UNIT }
}

function nobody() {
  return { _UID: undefined, _COMM: undefined, _EXE: undefined, _SYSTEMD_UNIT: undefined, _PID: undefined }
}
