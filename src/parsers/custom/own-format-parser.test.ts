/** Own formats as badly written as people write them: whatever an outsider fills in, his address must not come out. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../../test/support/effort.ts'
import type { OwnFormat } from '../../core/own-format.ts'
import type { ParsedField } from '../parser.ts'
import { LoginScanner } from '../scanner.ts'
import { ownFormatParser } from './own-format-parser.ts'

const REAL = '198.51.100.7'
const EVIL = '203.0.113.9'

function format(pattern: string, more: Partial<OwnFormat> = {}): OwnFormat {
  return {
    id: 'hub',
    title: 'Hub',
    programs: ['hubd'],
    processes: [],
    units: [],
    literals: ['user'],
    pattern,
    service: 'imap',
    userCharacters: '',
    samples: [],
    ...more,
  }
}

function scan(own: OwnFormat, lines: readonly string[], jsonLines = false) {
  const scanner = new LoginScanner({ parsers: [ownFormatParser(own)], timezone: 'UTC' })
  const found: string[] = []
  scanner.scan(
    Buffer.from(lines.map((line) => `${line}\n`).join('')),
    { format: jsonLines ? 'journal-json' : 'lines', newestMs: Date.UTC(2026, 10, 23) },
    {
      login: ({ user, address, service }) => found.push(`${user} ${address} ${service}`),
      rejected: ({ column, reason }) => found.push(`${column}: ${reason}`),
    },
  )
  return found
}

const inHub = (message: string, program = 'hubd[7]') => `Nov 22 13:00:00 mx1 ${program}: ${message}`
const COLUMN = inHub('').length
const SIMPLE = format('login user=(?<user>.*) from (?<ip>\\S+)')

describe('an own format', () => {
  it('takes a line of its program as a whole', () => {
    expect(scan(SIMPLE, [inHub(`login user=alice from ${REAL}`)])).toEqual([`alice ${REAL} imap`])
    expect(scan(SIMPLE, [inHub('login user=bjørn@example.org from 2001:db8:0::7')])).toEqual([
      'bjørn@example.org 2001:db8::7 imap',
    ])
    expect(scan(SIMPLE, [inHub(`login user=alice from ${REAL}`, 'otherd[7]')])).toEqual([])
    expect(scan(SIMPLE, [inHub(`x login user=alice from ${REAL}`)])).toEqual([
      `${COLUMN}: the pattern does not fit from here on`,
    ])
  })

  it('notes its fields for people', () => {
    const fields: ParsedField[] = []
    const message = `login user=alice from ${REAL}`
    const line = { envelope: 'syslog3164', time: { kind: 'absolute', atMs: 0 }, host: 'h', program: 'hubd' } as const
    ownFormatParser(SIMPLE).parse({ ...line, message, raw: message, messageColumn: 0 }, fields)
    expect(fields).toEqual([
      { name: 'user', value: 'alice', column: 11 },
      { name: 'address', value: REAL, column: 22 },
    ])
  })

  it('tells the service by a group, and takes no other than POP3 and IMAP', () => {
    const own = format('(?<service>\\w+) user (?<user>\\S+) (?<ip>\\S+)', { service: undefined })
    const lines = ['POP3', 'imaps', 'smtp', 'managesieve'].map((service) => inHub(`${service} user al ${REAL}`))
    expect(scan(own, lines)).toEqual([`al ${REAL} pop3`, `al ${REAL} imap`])
    const optional = format('(?:(?<service>pop3|imap) )?user (?<user>\\S+) (?<ip>\\S+)', { service: 'any' })
    expect(scan(optional, [inHub(`user al ${REAL}`), inHub(`pop3 user al ${REAL}`)])).toEqual([
      `al ${REAL} any`,
      `al ${REAL} pop3`,
    ])
  })

  it.each([
    'a b',
    'a"b',
    "a'b",
    'a,b',
    'a[b',
    'a]b',
    'a<b',
    'a)b',
    'a=b',
    'a;b',
    'a\\b',
    'a:b',
    '',
    'a\u00a0b',
    'a\u200bb',
  ])('takes no user called %j', (user) => {
    expect(scan(SIMPLE, [inHub(`login user=${user} from ${REAL}`)]).filter((text) => text.includes(REAL))).toEqual([])
  })

  it('takes further characters where the operator allows them', () => {
    const own = { ...SIMPLE, userCharacters: '\\ ' }
    expect(scan(own, [inHub(`login user=CORP\\anna lee from ${REAL}`)])).toEqual([`CORP\\anna lee ${REAL} imap`])
  })

  it.each([
    '1.2.3',
    '0x7f.1.1.1',
    '999.1.1.1',
    '01.2.3.4',
    '0.0.0.0',
    'fe80::1%eth0',
    'fe80::1',
    `${REAL}.`,
    `x${REAL}`,
    `${REAL}.in-addr.arpa`,
    '1234',
  ])('takes no address %s', (ip) => {
    expect(scan(SIMPLE, [inHub(`login user=al from ${ip}`)]).filter((text) => text.startsWith('al'))).toEqual([])
  })

  it('takes an address with a port, in brackets, behind a colon, and twice', () => {
    const own = format('user (?<user>\\S+) (?:ip:|\\[|at )(?<ip>[0-9a-f.:]*[0-9a-f])(?:\\]|:\\d+)?(?: \\[\\S+\\])?')
    for (const text of [`ip:${REAL}`, `[${REAL}]`, `at ${REAL}`, `at ${REAL} [${REAL}]`])
      expect(scan(own, [inHub(`user al ${text}`)]), text).toEqual([`al ${REAL} imap`])
    const withPort = format('user (?<user>\\S+) at (?<ip>[0-9.]+):\\d+')
    expect(scan(withPort, [inHub(`user al at ${REAL}:51515`)])).toEqual([`al ${REAL} imap`])
    const cut = format('user (?<user>\\S+) at (?<ip>[0-9a-f:]+):\\d+')
    expect(scan(cut, [inHub('user al at 2001:db8::7:143')])).toEqual([
      `${COLUMN + 11}: the address does not stand by itself`,
    ])
  })

  it('takes no line with an address that it does not know of', () => {
    const own = format('user (?<user>\\S+) from (?<ip>\\S+) to (?<server_ip>\\S+)(?: .*)?')
    for (const server of ['192.0.2.25', '0.0.0.0', '2001:db8::25', 'mx1'])
      expect(scan(own, [inHub(`user al from ${REAL} to ${server}`)]), server).toEqual([`al ${REAL} imap`])
    expect(scan(own, [inHub(`user al from ${REAL} to 192.0.2.25 x ${EVIL}`)])).toEqual([
      `${COLUMN + 42}: a second address stands in the line`,
    ])
    expect(scan(own, [inHub(`user al from ${EVIL} to from ${REAL} to 192.0.2.25`)])).toHaveLength(1)
    expect(scan(own, [inHub(`user al from ${EVIL} to from ${REAL} to 192.0.2.25`)])[0]).toMatch(/second address/)
  })

  it('takes no message that is so long that it may be cut', () => {
    const own = format('user (?<user>\\S+) from (?<ip>\\S+)(?: .*)?')
    expect(scan(own, [inHub(`user al from ${EVIL} ${'x'.repeat(800)}`)])).toEqual([
      `${COLUMN + 800}: so long that it may be cut`,
    ])
  })
})

describe('in the journal', () => {
  const entry = (more: object) =>
    JSON.stringify({
      MESSAGE: `login user=alice from ${REAL}`,
      SYSLOG_IDENTIFIER: 'hubd',
      __REALTIME_TIMESTAMP: '1795356000000000',
      _UID: '990',
      _EXE: '/usr/bin/java',
      _SYSTEMD_UNIT: 'hub.service',
      ...more,
    })
  const own = { ...SIMPLE, processes: ['java'], units: ['hub.service'] }

  it('only the named program in the named service writes its lines', () => {
    expect(scan(own, [entry({})], true)).toEqual([`alice ${REAL} imap`])
    const forged = [{ _EXE: '/usr/bin/python3' }, { _SYSTEMD_UNIT: 'user@1000.service' }, { _EXE: '/home/eve/java' }]
    for (const more of forged) expect(scan(own, [entry(more)], true)[0], JSON.stringify(more)).toMatch(/^0: sent by/)
    expect(scan(SIMPLE, [entry({})], true)[0]).toMatch(/sent by the program \/usr\/bin\/java/)
  })
})

describe('an outsider forges no login', () => {
  /** Each pattern with how the server writes its line; the holes in the patterns are those that people leave. */
  const servers: readonly (readonly [pattern: string, line: (his: string) => string])[] = [
    ['login user=(?<user>.*) from (?<ip>\\S+).*', (his) => `login user=${his} from ${REAL}`],
    ['login user=(?<user>\\S+) .*from (?<ip>\\S+)( .*)?', (his) => `login user=${his} from ${REAL}`],
    ['.*user=(?<user>[^ ]+).*\\[(?<ip>[^\\]]+)\\].*', (his) => `login ok user=${his} host=${his} [${REAL}]`],
    ['user (?<user>\\S+) at (?<ip>.+)', (his) => `user ${his} at ${REAL}`],
    ['.*?user (?<user>\\S+).*? (?<ip>[0-9a-fA-F.:]+).*', (his) => `${his} user ${his} in ${REAL} now`],
    [
      'user (?<user>\\S+) from (?<ip>\\S+) to (?<server_ip>\\S+).*',
      (his) => `user ${his} from ${REAL} to 192.0.2.25 agent ${his}`,
    ],
    ['user (?<user>.*), ip=(?<ip>[^,]*?)(?::\\d+)?, .*', (his) => `user ${his}, ip=${REAL}:51515, agent=${his}`],
  ]
  const pieces = [
    EVIL,
    ' from ',
    ' to ',
    ' at ',
    '[',
    ']',
    ', ip=',
    ', ',
    ' ',
    'x',
    'user=',
    'user ',
    ':',
    '.',
    '(',
    ')',
    '1',
    'a:',
  ]
  const more = ['2001:db8:bad::9', `::ffff:${EVIL}`, REAL, '\u00a0', '\u2028', '#012', '"', '192.0.2.25', ' [', '::']
  const hostile = fc
    .array(fc.constantFrom(...pieces, ...more), { minLength: 1, maxLength: 12 })
    .map((all) => all.join(''))

  it.each(servers)('%s', (pattern, line) => {
    const own = format(pattern, { userCharacters: ' ,"[]()=:' })
    fc.assert(
      fc.property(hostile, (his) => {
        const found = scan(own, [inHub(line(his))]).filter((text) => /^(?!\d+: )/.test(text))
        for (const text of found) expect(text.split(' ').slice(-2)[0], line(his)).toBe(REAL)
      }),
      effort(1000),
    )
  })

  it('a line of the true user passes all of them', () => {
    for (const [pattern, line] of servers)
      expect(scan(format(pattern), [inHub(line('alice'))]), pattern).toEqual([expect.stringContaining(`${REAL} imap`)])
  })
})
