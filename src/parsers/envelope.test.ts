import { describe, expect, it } from 'vitest'
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
    ['Apr  9 08:15:02 [popper] text', 'own-file|?-4-9 8:15:2.0||popper|-|text'],
    ['Apr 09 08:15:02.117 2024 [1208] text', 'own-file|2024-4-9 8:15:2.117|||1208|text'],
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
  ])('finds nothing in %j', (raw) => {
    expect(readLine(raw)).toHaveProperty('unreadable')
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
