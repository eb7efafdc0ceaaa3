import { describe, expect, it } from 'vitest'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { parserById, parsers } from './index.ts'
import type { Parser } from './parser.ts'
import { LoginScanner, type LoginScannerOptions, type RejectedLine, type ScanInfo } from './scanner.ts'

const INFO: ScanInfo = { format: 'lines', newestMs: Date.UTC(2026, 10, 23) }
const LOGIN =
  'Nov 22 13:00:00 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, TLS'
const NOISE = 'Nov 22 13:00:00 mx1 postfix/smtpd[1]: connect from unknown[203.0.113.9]'
const SESSION = 'Nov 22 13:00:00 mx1 popa3d[5]: Session from 198.51.100.9'
const PASSED = 'Nov 22 13:00:01 mx1 popa3d[5]: Authentication passed for bob'

function newScanner(options: Partial<LoginScannerOptions> = {}): LoginScanner {
  return new LoginScanner({ parsers, timezone: 'UTC', ...options })
}

function scan(text: string | Buffer, scanner = newScanner(), info = INFO) {
  const logins: (Login & { offset: number; line: string })[] = []
  const rejected: RejectedLine[] = []
  scanner.scan(Buffer.from(text), info, {
    login: (login, at) => logins.push({ ...login, ...at }),
    rejected: (line) => rejected.push(line),
  })
  return { logins, rejected }
}

describe('scan', () => {
  it('tells a login with its time, and where it stands', () => {
    const { logins } = scan(`${NOISE}\n${LOGIN}\n${NOISE}\n`)
    expect(logins).toEqual([
      {
        yearInferred: true,
        isZoned: false,
        user: 'alice',
        address: '198.51.100.7',
        service: 'imap',
        server: 'dovecot',
        tls: true,
        atMs: Date.UTC(2026, 10, 22, 13),
        offset: NOISE.length + 1,
        linesBefore: 1,
        line: LOGIN,
      },
    ])
  })

  it('tells a line once, however many literals it holds', () => {
    const line = LOGIN.replace('alice', 'Login: Login: Logged in: Stats: ')
    expect(scan(`${line}\n${line}\n`).logins).toHaveLength(2)
  })

  it('finds the logins of several servers in the order of the lines', () => {
    const popper = 'Nov 22 13:00:00 mx1 popper[1]: (v4.0.5) POP login by user "carol" at (h.example) 198.51.100.8'
    const { logins } = scan(`${popper}\n${LOGIN}\n${SESSION}\n${popper}\n${PASSED}\n`)
    expect(logins.map(({ user }) => user)).toEqual(['carol', 'alice', 'carol', 'bob'])
  })

  it('does not look behind the last line end', () => {
    expect(scan(LOGIN).logins).toEqual([])
    expect(scan(`${LOGIN}\n${LOGIN}`).logins).toHaveLength(1)
  })

  it('finds nothing in a line of more than maxLineBytes', () => {
    const scanner = newScanner({ maxLineBytes: LOGIN.length - 1 })
    expect(scan(`${LOGIN}\n`, scanner).logins).toEqual([])
    expect(scan(`${LOGIN}\n`, newScanner({ maxLineBytes: LOGIN.length })).logins).toHaveLength(1)
  })

  it('finds nothing in a line that is not UTF-8, and tells it', () => {
    const line = Buffer.concat([Buffer.from(LOGIN.replace('alice', 'al\u0001ce')), Buffer.from('\n')])
    line[line.indexOf(1)] = 0xff
    expect(scan(line).logins).toEqual([])
    expect(scan(line).rejected).toMatchObject([{ server: 'dovecot', reason: 'bytes that are not UTF-8' }])
  })

  it('looks only for the servers that it was given', () => {
    expect(scan(`${LOGIN}\n`, newScanner({ parsers: [parserById('qpopper')] })).logins).toEqual([])
  })

  it('gives the same when a log comes line by line or in large chunks', () => {
    const lines = Array.from({ length: 3000 }, (_, i) => (i % 7 === 0 ? LOGIN.replace('alice', `user${i}`) : NOISE))
    const text = `${lines.join('\n')}\n`
    const whole = scan(text).logins.map(({ user, offset }) => [user, offset])
    const scanner = newScanner()
    let start = 0
    const parts = lines.flatMap((line) => {
      const found = scan(`${line}\n`, scanner).logins.map(({ user, offset }) => [user, offset + start])
      start += line.length + 1
      return found
    })
    expect(whole).toHaveLength(429)
    expect(parts).toEqual(whole)
  })

  it('reads the year that it was given', () => {
    expect(scan(`${LOGIN}\n`, newScanner({ year: 2004 })).logins[0]?.atMs).toBe(Date.UTC(2004, 10, 22, 13))
  })

  it('takes journald entries, and no such text in a log of lines', () => {
    const message = 'imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25'
    const entry = { __REALTIME_TIMESTAMP: '1795360860652598', SYSLOG_IDENTIFIER: 'dovecot', MESSAGE: message }
    const text = `${JSON.stringify(entry)}\n`
    expect(scan(text, newScanner(), { ...INFO, format: 'journal-json' }).logins).toHaveLength(1)
    expect(scan(text).logins).toEqual([])
    expect(scan(`${LOGIN}\n`, newScanner(), { ...INFO, format: 'journal-json' }).logins).toEqual([])
  })
})

describe('logins of two lines', () => {
  it('are joined by host, program and process', () => {
    expect(scan(`${SESSION}\n${PASSED}\n`).logins).toMatchObject([
      { user: 'bob', address: '198.51.100.9', server: 'popa3d' },
    ])
    expect(scan(`${SESSION}\n${PASSED.replace('[5]', '[6]')}\n`).logins).toEqual([])
    expect(scan(`${SESSION}\n${PASSED.replace('mx1', 'mx2')}\n`).logins).toEqual([])
    expect(scan(`${SESSION}\n${SESSION.replace('.9', '.8')}\n${PASSED}\n`).logins).toMatchObject([
      { address: '198.51.100.8' },
    ])
  })

  it('are forgotten after a failure, and used once', () => {
    const failed = PASSED.replace('passed', 'failed')
    expect(scan(`${SESSION}\n${failed}\n${PASSED}\n`).logins).toEqual([])
    expect(scan(`${SESSION}\n${PASSED}\n${PASSED}\n`).logins).toHaveLength(1)
  })

  it('tell when the first line was not seen or names no process', () => {
    expect(scan(`${PASSED}\n`).rejected).toMatchObject([
      { server: 'popa3d', reason: expect.stringContaining('connection') },
    ])
    expect(scan(`${SESSION.replace('[5]', '')}\n`).rejected).toMatchObject([
      { reason: expect.stringContaining('process id') },
    ])
  })

  it('survive a restart between the two', () => {
    const before = newScanner()
    scan(`${SESSION}\n`, before)
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot()))
    const after = newScanner()
    after.restore(stored)
    expect(scan(`${PASSED}\n`, after).logins).toMatchObject([{ user: 'bob', address: '198.51.100.9' }])
  })

  it.each([[undefined], [null], ['x'], [{ lastMs: 'x', pending: 'y' }], [{ pending: [[1]] }]])(
    'start anew from %j',
    (stored) => {
      const scanner = newScanner()
      scanner.restore(stored)
      expect(scanner.snapshot()).toEqual({ lastMs: null, pending: [] })
    },
  )
})

describe('rejected lines', () => {
  it('tell what a server writes that its grammar does not hold, with the column', () => {
    const line = LOGIN.replace('rip=198.51.100.7', 'rip=somewhere')
    const { rejected } = scan(`${NOISE}\n${line}\n`)
    expect(rejected).toEqual([
      {
        server: 'dovecot',
        reason: 'not a client address',
        column: line.indexOf('somewhere'),
        line,
        offset: NOISE.length + 1,
        linesBefore: 1,
      },
    ])
  })

  it('tell the words of a login in a line of another program', () => {
    const line = 'Nov 22 13:00:00 mx1 sm-mta[1]: from="POP login by user "admin" at (h) 6.6.6.6"@example.org'
    const reason = expect.stringContaining('sm-mta')
    expect(scan(`${line}\n`).rejected).toMatchObject([{ server: 'qpopper', reason, isForeign: true }])
  })

  it('say where they hold the words of the end of a session only', () => {
    const line = 'Nov 22 13:00:00 mx1 imapd: LOGOUT, user=alice, ip=[somewhere], headers=0, body=0'
    const rejected: RejectedLine[] = []
    const scanner = newScanner({ logouts: true })
    scanner.scan(Buffer.from(`${line}\n`), INFO, { login: () => {}, rejected: (one) => rejected.push(one) })
    expect(rejected).toMatchObject([{ server: 'courier', isLogout: true }])
  })

  it('tell a user name that looks like a login', () => {
    const line = 'Nov 22 13:00:00 mx1 ipop3d[6]: Login failed user=Login user=x auth=x host=evil.example [198.51.100.9]'
    expect(scan(`${line}\n`)).toMatchObject({
      logins: [],
      rejected: [{ server: 'uw-imap', reason: 'not a success line' }],
    })
  })

  it('do not tell what is no login and no forgery', () => {
    const lines = [
      NOISE,
      'Nov 22 13:00:00 mx1 procmail[1]: Stats: nothing of the kind',
      'Nov 22 13:00:00 mx1 kernel: Login: prompt',
      LOGIN.replace('imap-login', 'managesieve-login'),
      LOGIN.replace('PLAIN', 'ANONYMOUS'),
      'Nov 22 13:00:00 mx1 ipop3d[1]: Login user=tony host=UNKNOWN nmsgs=0/0',
    ]
    expect(scan(`${lines.join('\n')}\n`)).toEqual({ logins: [], rejected: [] })
  })
})

describe('explain', () => {
  it('names the fields and their columns', () => {
    const [first, ...others] = newScanner().explain(LOGIN, INFO)
    expect(first).toMatchObject({ parser: 'dovecot', outcome: 'login', login: { user: 'alice', tls: true } })
    expect(first?.fields.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'user=alice',
      'method=PLAIN',
      'rip=198.51.100.7',
      'lip=192.0.2.25',
    ])
    for (const { value, column } of first?.fields ?? []) expect(LOGIN.slice(column, column + value.length)).toBe(value)
    expect(new Set(others.map(({ outcome }) => outcome))).toEqual(new Set(['none']))
  })

  it('puts the parser that came closest first', () => {
    const line = LOGIN.replace('rip=198.51.100.7', 'rip=198.51.100.777')
    const [first] = newScanner().explain(line, INFO)
    expect(first).toMatchObject({ parser: 'dovecot', outcome: 'none', column: line.indexOf('198.51.100.777') })
  })

  it('tells halves of a login as such, and remembers nothing', () => {
    const scanner = newScanner()
    expect(scanner.explain(SESSION, INFO)[0]).toMatchObject({ parser: 'popa3d', outcome: 'connect' })
    expect(scanner.explain(PASSED, INFO)[0]).toMatchObject({ outcome: 'login_without_address' })
    expect(scanner.snapshot()).toEqual({ lastMs: null, pending: [] })
  })

  it.each([['x'.repeat(20_000)], ['no log line'], ['']])('says why a line is no line of a log', (line) => {
    const explained = newScanner().explain(line, INFO)
    expect(explained).toHaveLength(parsers.length)
    expect(explained.every(({ outcome, reason }) => outcome === 'none' && reason !== undefined)).toBe(true)
  })
})

describe('cost', () => {
  /** Shapes that make a careless pattern go back again and again. */
  const shapes: readonly [string, (size: number) => string][] = [
    ['one line of literals', (size) => `${LOGIN} ${'Login: '.repeat(size / 7)}`],
    [
      'an unfinished user name',
      (size) => `Nov 22 13:00:00 mx1 dovecot: imap-login: Login: user=<${'<a>, rip='.repeat(size / 9)}`,
    ],
    ['elements', (size) => `Nov 22 13:00:00 mx1 dovecot: imap-login: Login: user=<a>${', x=y'.repeat(size / 5)}`],
    ['blanks', (size) => `${LOGIN}${' '.repeat(size)}`],
    ['structured data', (size) => `<1>1 2026-11-22T13:00:00Z m x - - [a b="Login: user=<${'\\"'.repeat(size / 2)}`],
    ['parameters', (size) => `<1>1 2026-11-22T13:00:00Z m x - - [a${' b="Login: user=<"'.repeat(size / 17)}`],
    ['a host', (size) => `Nov 22 13:00:00 ${'a:'.repeat(size / 2)} Login: user=<`],
    ['a tag', (size) => `Nov 22 13:00:00 m ${'a'.repeat(size)} Login: user=<`],
    ['a line without an end in sight', (size) => `${'Login: user=<'.repeat(size / 13)}`],
  ]

  it.each(shapes)('per byte does not grow with the length of %s', (_name, shape) => {
    const best = (size: number) => {
      const scanner = newScanner({ maxLineBytes: 1 << 22 })
      const chunk = Buffer.from(`${shape(size)}\n`.repeat(Math.ceil(400_000 / size)))
      const times = Array.from({ length: 5 }, () => {
        const start = process.cpuUsage()
        scanner.scan(chunk, INFO, { login: () => {}, rejected: () => {} })
        const { user, system } = process.cpuUsage(start)
        return user + system
      })
      return Math.min(...times)
    }
    best(4_000)
    // Ten-fold length in the same number of bytes: quadratic cost would take about ten times as long.
    expect(best(40_000)).toBeLessThan(5 * best(4_000) + 5_000)
    expect(best(400_000)).toBeLessThan(5 * best(40_000) + 5_000)
  })
})

describe('lines of one session', () => {
  const toy: Parser = {
    id: 'toy',
    title: 'Toy',
    literals: ['toy-'],
    logoutLiterals: ['bye-'],
    forgeryMarks: [],
    sample: [],
    openLine: (raw) => {
      const [, message] = raw.match(/^Toy\t(.*)$/) ?? []
      const time = { kind: 'absolute', atMs: INFO.newestMs - 1000 } as const
      return message === undefined
        ? undefined
        : { envelope: 'own-file', time, host: '', program: 'toy', message, raw, messageColumn: 4 }
    },
    parse: ({ message, messageColumn }) => {
      const [, session = '', word = '', value = ''] = message.match(/^(\d+) (?:toy|bye)-(\w+) ?(.*)$/) ?? []
      if (word === 'connect') return { kind: 'connect', address: value as ClientAddress, session }
      if (word === 'new') return { kind: 'announce', session }
      if (word === 'in')
        return { kind: 'login', login: { user: 'alice', address: value as ClientAddress, service: 'imap', session } }
      if (word === 'user') return { kind: 'attempt', user: value, session }
      if (word === 'ok')
        return { kind: 'login_without_user', address: value as ClientAddress, service: 'pop3', session }
      if (word === 'cut') return { kind: 'cut', reason: 'cut by the server' }
      if (word === 'out') return { kind: 'logout', user: value, service: 'pop3', session }
      return { kind: 'none', mismatch: 'suspect', reason: 'not of the toy', column: messageColumn }
    },
  }
  const newToyScanner = (logouts = false) => new LoginScanner({ parsers: [toy], timezone: 'UTC', logouts })
  const scanToy = (lines: string[], logouts = false, scanner = newToyScanner(logouts)) => {
    const found: string[] = []
    scanner.scan(Buffer.from(lines.map((line) => `${line}\n`).join('')), INFO, {
      login: ({ user, address, session }) => found.push(`${user} ${address} ${session}`),
      rejected: ({ reason }) => found.push(reason),
      logout: ({ user, session }) => found.push(`${user} left ${session}`),
    })
    return found
  }

  it('are joined by the id of the session, in the layout of the server, with CR LF too', () => {
    expect(
      scanToy([
        'Toy\t1 toy-user alice',
        'Toy\t2 toy-user bob\r',
        'Toy\t1 toy-ok 198.51.100.7',
        'Toy\t2 toy-ok 198.51.100.8',
      ]),
    ).toEqual(['alice 198.51.100.7 1', 'bob 198.51.100.8 2'])
  })

  it('give nothing where the user is not known, or the connection came from elsewhere', () => {
    expect(scanToy(['Toy\t1 toy-ok 198.51.100.7'])).toEqual([
      'no line of the attempt was seen, so the user is not known',
    ])
    expect(scanToy(['Toy\t1 toy-connect 198.51.100.9', 'Toy\t1 toy-user alice', 'Toy\t1 toy-ok 198.51.100.7'])).toEqual(
      ['198.51.100.9 is not 198.51.100.7'],
    )
  })

  it('are not asked for where no session is announced', () => {
    expect(scanToy(['Toy\t1 toy-in 198.51.100.7'])).toEqual(['alice 198.51.100.7 1'])
  })

  it('give a login for each announcement and no more, where sessions are announced', () => {
    const unannounced = 'no line announced its connection, as others are'
    const lines = ['Toy\t1 toy-new', 'Toy\t2 toy-in 6.6.6.6', 'Toy\t1 toy-in 198.51.100.7', 'Toy\t1 toy-in 6.6.6.6']
    expect(scanToy(lines)).toEqual([unannounced, 'alice 198.51.100.7 1', unannounced])
  })

  it('are known to be announced after a restart', () => {
    const before = newToyScanner()
    expect(scanToy(['Toy\t1 toy-new'], false, before)).toEqual([])
    const after = newToyScanner()
    after.restore(JSON.parse(JSON.stringify(before.snapshot())))
    expect(scanToy(['Toy\t2 toy-in 6.6.6.6', 'Toy\t1 toy-in 198.51.100.7'], false, after)).toEqual([
      'no line announced its connection, as others are',
      'alice 198.51.100.7 1',
    ])
    const later = newToyScanner()
    later.restore(JSON.parse(JSON.stringify(after.snapshot())))
    expect(scanToy(['Toy\t2 toy-in 6.6.6.6'], false, later)).toEqual([
      'no line announced its connection, as others are',
    ])
  })

  it('count for nothing right behind a line that was cut', () => {
    expect(scanToy(['Toy\t1 toy-user alice', 'Toy\t1 toy-cut', 'Toy\t1 toy-ok 198.51.100.7'])).toEqual([
      'cut by the server',
      'its process may be writing what a client chose (see the line of it that was rejected before)',
    ])
  })

  it('count for nothing behind a line that was cut, whatever bytes it holds', () => {
    const cut = (bytes: string) =>
      Buffer.from(`Nov 22 13:00:00 mx1 imapd: LOGIN FAILED, user=${bytes.repeat(600)}\n`, 'latin1')
    const forged = Buffer.from('Nov 22 13:00:00 mx1 imapd: LOGIN, user=a, ip=[::ffff:198.51.100.66], port=[1]\n')
    for (const bytes of ['a', '\xff', '\x01', '\xc3\xa9']) {
      expect(scan(Buffer.concat([cut(bytes), forged])).logins).toEqual([])
    }
    expect(scan(forged).logins).toHaveLength(1)
  })

  it('tell their end where that is asked for', () => {
    expect(scanToy(['Toy\t1 bye-out alice'])).toEqual([])
    expect(scanToy(['Toy\t1 bye-out alice'], true)).toEqual(['alice left 1'])
  })
})
