import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import { readLine } from './envelope.ts'
import { readJournalEntry } from './journal-envelope.ts'

type Opened = ReturnType<typeof readLine>

function inShort(opened: Opened): string {
  if ('unreadable' in opened) return `unreadable at ${opened.column}: ${opened.unreadable}`
  const { time } = opened
  const when =
    time.kind === 'absolute'
      ? new Date(time.atMs).toISOString()
      : `${time.year ?? '?'}-${time.month}-${time.day} ${time.hour}:${time.minute}:${time.second}.${time.millisecond}`
  return [opened.envelope, when, opened.host, opened.program, opened.pid ?? '-', opened.message].join('|')
}

describe('readLine', () => {
  it.each([
    ['Nov 22 13:35:56 mx1 dovecot: text', 'syslog3164|?-11-22 13:35:56.0|mx1|dovecot|-|text'],
    ['<22>Nov 22 13:35:56 mx1 dovecot[304]: text', 'syslog3164|?-11-22 13:35:56.0|mx1|dovecot|304|text'],
    ['Apr  9 08:15:02 mail /usr/sbin/popper[1212]: text', 'syslog3164|?-4-9 8:15:2.0|mail|popper|1212|text'],
    ['Apr 9 08:15:02 mail popper[1]: a: b', 'syslog3164|?-4-9 8:15:2.0|mail|popper|1|a: b'],
    ['Nov 22 2025 13:35:56 mx1 x: text', 'syslog3164|2025-11-22 13:35:56.0|mx1|x|-|text'],
    ['Nov 22 13:35:56.544306 mx1 x: text', 'syslog3164|?-11-22 13:35:56.544|mx1|x|-|text'],
    ['Nov 22 13:35:56 <mail.info> mx1 x: text', 'syslog3164|?-11-22 13:35:56.0|mx1|x|-|text'],
    ['Nov 22 13:35:56 mx1 x: [ID 197553 mail.info] text', 'syslog3164|?-11-22 13:35:56.0|mx1|x|-|text'],
    ['Nov 22 13:35:56 2001:db8:1::25 x: text', 'syslog3164|?-11-22 13:35:56.0|2001:db8:1::25|x|-|text'],
    ['Nov 22 13:35:56 mx1 postfix/dovecot[15]: text', 'syslog3164|?-11-22 13:35:56.0|mx1|postfix/dovecot|15|text'],
    ['2026-11-22T13:35:56+01:00 mx1 x: text', 'iso8601|2026-11-22T12:35:56.000Z|mx1|x|-|text'],
    ['2026-11-22T13:35:56.544306-0330 mx1 x[9]: text', 'iso8601|2026-11-22T17:05:56.544Z|mx1|x|9|text'],
    ['2026-11-22T12:35:56.5Z mx1 x: text', 'iso8601|2026-11-22T12:35:56.500Z|mx1|x|-|text'],
    ['2026-11-22 13:35:56 mx1 x: text', 'iso8601|2026-11-22 13:35:56.0|mx1|x|-|text'],
    ['Sun 2026-11-22 15:19:02 UTC mx1 x[2]: text', 'syslog3164|2026-11-22T15:19:02.000Z|mx1|x|2|text'],
    ['Sun 2026-11-22 15:19:02 CET mx1 x[2]: text', 'syslog3164|2026-11-22 15:19:2.0|mx1|x|2|text'],
    ['<22>1 2026-11-22T13:35:56Z mx1 x 304 - - text', 'rfc5424|2026-11-22T13:35:56.000Z|mx1|x|304|text'],
    ['<22>1 2026-11-22T13:35:56Z - /usr/sbin/x - ID7 -  text', 'rfc5424|2026-11-22T13:35:56.000Z||x|-|text'],
    ['1 2026-11-22T13:35:56Z mx1 x 3 - - \ufefftext', 'rfc5424|2026-11-22T13:35:56.000Z|mx1|x|3|text'],
    [
      '<22>1 2026-11-22T13:35:56Z m x - - [a@1 b="c\\"] d: e"][f g="\\\\"] text',
      'rfc5424|2026-11-22T13:35:56.000Z|m|x|-|text',
    ],
    ['Nov 22 13:42:47 pop3-login: Info: text', 'own-file|?-11-22 13:42:47.0||pop3-login|-|Info: text'],
    ['2026-11-22 13:42:47 imap-login: Info: text', 'own-file|2026-11-22 13:42:47.0||imap-login|-|Info: text'],
    ['dovecot: Nov 22 15:22:20 Info: text', 'own-file|?-11-22 15:22:20.0||dovecot|-|Info: text'],
    ['@400000004c91b044077a9e94 imap-login: Info: text', 'own-file|2010-09-16T05:50:50.125Z||imap-login|-|Info: text'],
    ['Apr 09 08:15:02.117 2024 [1208] text', 'own-file|2024-4-9 8:15:2.117|||1208|text'],
    ['Tue Apr  9 08:15:02 2024 [1208] text', 'own-file|2024-4-9 8:15:2.0|||1208|text'],
  ])('%s', (raw, wanted) => {
    expect(inShort(readLine(raw))).toBe(wanted)
  })

  it.each([
    // RFC 3164: year in front (FULLDATE of syslog-ng), fraction, kept priority without a host, host names of syslog-ng and rsyslog
    ['2026 Nov 22 13:35:56 mx1 popper[12]: text', 'syslog3164|2026-11-22 13:35:56.0|mx1|popper|12|text'],
    ['Nov 22 13:35:56,123 mx1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.123|mx1|popper|12|text'],
    ['<22>Nov 22 13:35:56 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0||popper|12|text'],
    ['Nov 22 13:35:56 src@mx1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|src@mx1|popper|12|text'],
    [
      'Nov 22 13:35:56 s_net@mx1/relay popper[12]: text',
      'syslog3164|?-11-22 13:35:56.0|s_net@mx1/relay|popper|12|text',
    ],
    ['Nov 22 13:35:56 192.0.2.1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|192.0.2.1|popper|12|text'],
    ['Nov 22 13:35:56 mx1 192.0.2.1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|mx1|popper|12|text'],
    ['Nov 22 13:35:56 mx1 2001:db8::1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|mx1|popper|12|text'],
    ['Nov 22 13:35:56 [2001:db8::1] popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|[2001:db8::1]|popper|12|text'],
    // sysklogd 2, whose own files have neither priority nor version
    ['2026-11-22T13:35:56.000003+01:00 mx1 popper 12 - - text', 'rfc5424|2026-11-22T12:35:56.000Z|mx1|popper|12|text'],
    [
      '2026-11-22T13:35:56.000003+01:00 192.0.2.1 popper - - [a b="c"] text',
      'rfc5424|2026-11-22T12:35:56.000Z|192.0.2.1|popper|-|text',
    ],
    // FreeBSD syslogd -v with a numeric priority
    ['Nov 22 13:35:56 <2.6> mx1 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0|mx1|popper|12|text'],
    // Solaris, with a process id
    ['Nov 22 13:35:56 mx1 popper[12]: [ID 702911 mail.info] text', 'syslog3164|?-11-22 13:35:56.0|mx1|popper|12|text'],
    // BusyBox syslogd (also with precise times), the same with -S
    [
      'Jun 12 16:21:30 6a399b7c3af8 mail.info dovecot: text',
      'syslog3164|?-6-12 16:21:30.0|6a399b7c3af8|dovecot|-|text',
    ],
    ['Nov 22 13:35:56.123 mx1 mail.info popper[12]: text', 'syslog3164|?-11-22 13:35:56.123|mx1|popper|12|text'],
    ['Nov 22 13:35:56 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0||popper|12|text'],
    ['Nov 22 13:35:56.123 popper[12]: text', 'syslog3164|?-11-22 13:35:56.123||popper|12|text'],
    // OpenWrt logread
    [
      'Sun Nov 22 13:35:56 2026 mail.info popper[12]: text',
      'syslog3164|2026-11-22 13:35:56.0|mail.info|popper|12|text',
    ],
    // AIX
    [
      'Apr 24 10:40:38 aix03srv auth|security:info sshd[475526]: text',
      'syslog3164|?-4-24 10:40:38.0|aix03srv|sshd|475526|text',
    ],
    [
      'Apr 24 10:40:38 aix03srv mail:info popper[475526]: text',
      'syslog3164|?-4-24 10:40:38.0|aix03srv|popper|475526|text',
    ],
    // macOS
    ['Nov 22 13:35:56 mini imapd[74] <Notice>: text', 'syslog3164|?-11-22 13:35:56.0|mini|imapd|74|text'],
    // metalog, also with log_severity
    ['Apr  9 08:15:02 [popper] text', 'syslog3164|?-4-9 8:15:2.0||popper|-|text'],
    ['Apr  9 08:15:02 [dovecot] imap-login: text', 'syslog3164|?-4-9 8:15:2.0||dovecot|-|imap-login: text'],
    ['Apr  9 08:15:02 [/usr/sbin/popper][info] text', 'syslog3164|?-4-9 8:15:2.0||popper|-|text'],
    // journalctl -o short-iso before and since systemd 255, short-iso-precise, short-unix, short-full --utc, with-unit
    ['2026-11-22T13:35:56+0000 mx1 dovecot[232]: text', 'iso8601|2026-11-22T13:35:56.000Z|mx1|dovecot|232|text'],
    ['2026-11-22T13:35:56+00:00 mx1 dovecot[232]: text', 'iso8601|2026-11-22T13:35:56.000Z|mx1|dovecot|232|text'],
    ['2026-11-22T13:35:56.544306+0100 mx1 dovecot[232]: text', 'iso8601|2026-11-22T12:35:56.544Z|mx1|dovecot|232|text'],
    ['1795360860.652598 mx1 dovecot[232]: text', 'syslog3164|2026-11-22T15:21:00.652Z|mx1|dovecot|232|text'],
    ['Sun 2026-11-22 15:19:02 +0530 mx1 x[2]: text', 'syslog3164|2026-11-22T09:49:02.000Z|mx1|x|2|text'],
    ['Sun 2026-11-22 15:19:02 -03 mx1 x[2]: text', 'syslog3164|2026-11-22T18:19:02.000Z|mx1|x|2|text'],
    [
      'Sun 2026-11-22 15:19:02 UTC mx1 dovecot.service[232]: text',
      'syslog3164|2026-11-22T15:19:02.000Z|mx1|dovecot|232|text',
    ],
    [
      'Sun 2026-11-22 15:19:02 UTC mx1 user@1000.service/dovecot.service[232]: text',
      'syslog3164|2026-11-22T15:19:02.000Z|mx1|user@1000.service/dovecot.service|232|text',
    ],
    // zone behind a blank
    ['2026-11-22 13:35:56 +0100 mx1 x[2]: text', 'iso8601|2026-11-22T12:35:56.000Z|mx1|x|2|text'],
    ['2026-11-22 13:35:56 +0100 imap-login: Info: text', 'own-file|2026-11-22T12:35:56.000Z||imap-login|-|Info: text'],
    // svlogd -tt and -ttt, s6-log T
    ['2026-11-22_12:35:56.12345 imap-login: Info: text', 'own-file|2026-11-22T12:35:56.123Z||imap-login|-|Info: text'],
    ['2026-11-22T12:35:56.12345 imap-login: Info: text', 'own-file|2026-11-22T12:35:56.123Z||imap-login|-|Info: text'],
    [
      '2026-11-22 12:35:56.123456789  imap-login: Info: text',
      'own-file|2026-11-22 12:35:56.123||imap-login|-|Info: text',
    ],
    // socklog unix and inet, under multilog, svlogd -ttt and without a time in front
    [
      '@400000004c91b044077a9e94 mail.info: Sep 16 05:50:50 popper[12]: text',
      'syslog3164|2010-09-16T05:50:50.125Z||popper|12|text',
    ],
    [
      '2026-11-22T12:35:56.12345 mail.info: Nov 22 13:35:56 popper[12]: text',
      'iso8601|2026-11-22T12:35:56.123Z||popper|12|text',
    ],
    [
      '@400000004c91b044077a9e94 192.0.2.1: mail.info: Sep 16 05:50:50 mx1 popper[12]: text',
      'syslog3164|2010-09-16T05:50:50.125Z|mx1|popper|12|text',
    ],
    ['mail.info: Nov 22 13:35:56 popper[12]: text', 'syslog3164|?-11-22 13:35:56.0||popper|12|text'],
    ['mail.info: Nov 22 13:35:56 dovecot: imap-login: text', 'own-file|?-11-22 13:35:56.0||dovecot|-|imap-login: text'],
    // Kubernetes, and docker logs -t, around the log of a container
    [
      '2026-11-22T12:35:56.123456789Z stdout F Nov 22 12:35:56 imap-login: Info: text',
      'own-file|2026-11-22T12:35:56.123Z||imap-login|-|Info: text',
    ],
    [
      '2026-11-22T12:35:56.123456789Z stderr F imap-login: Info: text',
      'own-file|2026-11-22T12:35:56.123Z||imap-login|-|Info: text',
    ],
    [
      '2026-11-22T12:35:56.123456789Z Nov 22 12:35:56 imap-login: Info: text',
      'own-file|2026-11-22T12:35:56.123Z||imap-login|-|Info: text',
    ],
    // the end of a session in Dovecot's own file
    [
      'Nov 22 13:42:48 imap(a b)<510><494j>: Info: text',
      'own-file|?-11-22 13:42:48.0||dovecot|-|imap(a b)<510><494j>: Info: text',
    ],
  ])('%s', (raw, wanted) => {
    expect(inShort(readLine(raw))).toBe(wanted)
  })

  it.each([
    [''],
    ['Nov 22 13:35:56'],
    ['Nov 31 13:35:56 mx1 x: text'],
    ['Nov 22 24:35:56 mx1 x: text'],
    ['ov 22 13:35:56 mx1 x: text'],
    ['Nov 22 13:35:56 mx1 x text'],
    ['Nov 22 13:35:56 mx1 x[a]: text'],
    ['Nov 22 13:35:56 mx1 x:text'],
    ['<192>Nov 22 13:35:56 mx1 x: text'],
    ['Nov 22 13:35:56 mx1 x: te\0xt'],
    ['Nov 22 13:35:56 mx1 x: text\r'],
    ['Nov 22 13:35:56 mx1 x: te\u0085xt'],
    ['Nov 22 13:35:56 mx1 x: te\ufffdxt'],
    ['2026-13-22T13:35:56Z mx1 x: text'],
    ['2026-11-22T13:35:56Q mx1 x: text'],
    ['<22>1 - mx1 x - - - text'],
    ['<22>1 2026-11-22T13:35:56Z mx1 x - - [a b="c] text'],
    ['<22>1 2026-11-22T13:35:56Z mx1 x - -'],
    // compressed repetitions
    ['Nov 22 13:35:56 mx1 last message repeated 3 times'],
    ['Nov 22 13:35:56 last message repeated 3 times'],
    // no date, part of a line, line within a line within a line
    ['[ 7457.399261] mx1 dovecot[232]: text'],
    ['2026-11-22T12:35:56.123456789Z stdout P Nov 22 12:35:56 imap-login: Info: text'],
    ['@400000004c91b044077a9e94 @400000004c91b044077a9e94 @400000004c91b044077a9e94 imap-login: Info: text'],
    // words where only a priority, an address or a level may stand
    ['Nov 22 13:35:56 mx1 word popper[12]: text'],
    ['Nov 22 13:35:56 mx1 mail.loud popper[12]: text'],
    ['Nov 22 13:35:56 mx1 mail.info mail.info popper[12]: text'],
    ['Nov 22 13:35:56 mx1 popper[12] <Loud>: text'],
    ['Nov 22 13:35:56 [12] text'],
    ['Nov 22 13:35:56 [a b] text'],
    ['2026 Nov 22 2026 13:35:56 mx1 x: text'],
    ['2026-11-22T13:35:56Z mx1 popper x - - text'],
    ['2026-11-22T13:35:56Z mx1 popper 12 - text'],
    ['Nov 22 13:35:56 mx1 popper 12 - - text'],
    ['1795360860 mx1 dovecot[232]: text'],
  ])('finds nothing in %j', (raw) => {
    expect(readLine(raw)).toHaveProperty('unreadable')
  })

  it('lets no text take the part of host, program or process', () => {
    const pieces = [
      'mx2 ',
      'dovecot: ',
      'imapd[7]: ',
      '[popper] ',
      'mail.info ',
      '<mail.info> ',
      '[ID 1 mail.info] ',
      'Nov 22 13:35:56 ',
    ]
    const marks = [
      ' ',
      ':',
      '[',
      ']',
      '<',
      '>',
      'x',
      '@400000004c91b044077a9e94 ',
      'stdout F ',
      '192.0.2.1 ',
      '1 2026-11-22T13:35:56Z ',
    ]
    const text = fc
      .array(fc.constantFrom(...pieces, ...marks), { maxLength: 12 })
      .map((parts) => `text ${parts.join('')}`)
    const headers = [
      'Nov 22 13:35:56 mx1 popper[12]: ',
      '<22>Nov 22 13:35:56 mx1 popper: ',
      '<22>1 2026-11-22T13:35:56Z mx1 popper 12 - - ',
      '2026-11-22T13:35:56Z mx1 popper 12 - - ',
      'Nov 22 13:35:56 mx1 mail.info popper[12]: ',
      'Nov 22 13:35:56 mx1 mail:info popper[12]: ',
      'Nov 22 13:35:56 mx1 192.0.2.1 popper[12]: ',
      'Nov 22 13:35:56 <mail.info> mx1 popper[12]: ',
      'Nov 22 13:35:56 mx1 popper[12] <Notice>: ',
      'Nov 22 13:35:56 mx1 popper[12]: [ID 2 mail.info] ',
      'Nov 22 13:35:56 popper[12]: ',
      'Nov 22 13:35:56 [popper] ',
      'Nov 22 13:35:56 popper: ',
      '@400000004c91b044077a9e94 mail.info: Nov 22 13:35:56 popper[12]: ',
      '2026-11-22T13:35:56.1Z stdout F Nov 22 13:35:56 popper: ',
      'popper: Nov 22 13:35:56 ',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...headers), text, (header, message) => {
        const line = readLine(header + message)
        const host = /mx1/.exec(header)?.[0] ?? ''
        expect(line).toMatchObject({ host, program: 'popper', message })
        expect('pid' in line ? line.pid : undefined).toBe(
          /\b12\b(?= |\])/.exec(header)?.[0] === undefined ? undefined : 12,
        )
      }),
      effort(3000),
    )
  })

  it('tells the column of the message', () => {
    const line = readLine('Nov 22 13:35:56 mx1 x[1]: text')
    expect('messageColumn' in line && line.raw.slice(line.messageColumn)).toBe('text')
  })
})

const ENTRY = {
  MESSAGE: 'text',
  SYSLOG_IDENTIFIER: 'popa3d',
  SYSLOG_PID: '7',
  _PID: '8',
  _UID: '0',
  _COMM: 'popa3d',
  _EXE: '/usr/sbin/popa3d',
  _HOSTNAME: 'mx1',
  __REALTIME_TIMESTAMP: '1795360860652598',
}

describe('readJournalEntry', () => {
  const read = (changes: Record<string, unknown>) => readJournalEntry(JSON.stringify({ ...ENTRY, ...changes }))

  it('reads an entry with who sent it', () => {
    expect(inShort(read({}))).toBe('journald-json|2026-11-22T15:21:00.652Z|mx1|popa3d|8|text')
    expect(read({})).toMatchObject({ sender: { uid: 0, comm: 'popa3d', exe: '/usr/sbin/popa3d' } })
  })

  it('takes the process id that the sender gave where there is no other', () => {
    expect(read({ _PID: undefined })).toMatchObject({ pid: 7 })
  })

  it('reads a message of bytes', () => {
    expect(read({ MESSAGE: [...Buffer.from('tëxt')] })).toMatchObject({ message: 'tëxt' })
  })

  it.each([
    [{ MESSAGE: null }],
    [{ MESSAGE: ['text', 'text'] }],
    [{ MESSAGE: [] }],
    [{ MESSAGE: [256] }],
    [{ MESSAGE: [255, 254] }],
    [{ MESSAGE: 'a\nb' }],
    [{ MESSAGE: { text: 1 } }],
    [{ __REALTIME_TIMESTAMP: undefined }],
    [{ __REALTIME_TIMESTAMP: 'now' }],
    [{ other: { MESSAGE: 'x' } }],
  ])('finds nothing in %j', (changes) => {
    expect(read(changes)).toHaveProperty('unreadable')
  })

  it.each(['{"MESSAGE":"text"', '[]', 'null', '"text"', '', '{"MESSAGE":"a","MESSAGE":"b"}'])(
    'finds nothing in %s',
    (raw) => {
      expect(readJournalEntry(raw)).toHaveProperty('unreadable')
    },
  )
})
