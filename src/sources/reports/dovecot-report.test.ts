/** Bodies as Dovecot 2.3.19 and 2.4.1 sent them, and what else may come. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseClientAddress } from '../../core/client-address.ts'
import { type ReadReport, readEvent, readPolicyReport } from './dovecot-report.ts'

const NOW = Date.parse('2026-11-22T20:53:43.500Z')

const policy = (changes: object = {}) =>
  JSON.stringify({
    login: 'alice',
    mechanism: 'PLAIN',
    protocol: 'imap',
    remote: '198.51.100.7',
    session_id: '5A4xrONg6JLGM2QH',
    success: true,
    policy_reject: false,
    tls: false,
    ...changes,
  })

const fields23 = {
  duration: 159,
  success: 'yes',
  policy_result: 'ok',
  mechanism: 'PLAIN',
  transport: 'insecure',
  service: 'imap',
  session: '5A4xrONg6JLGM2QH',
  local_ip: '192.0.2.25',
  remote_ip: '198.51.100.7',
  real_remote_ip: '192.0.2.99',
  remote_port: 37608,
  original_user: 'ALICE',
  user: 'alice',
  translated_user: 'alice',
}
const { service: _, ...common } = fields23
const fields24 = { ...common, protocol: 'imap', remote_pid: 9 }

const event = (fields: object, changes: object = {}) =>
  JSON.stringify({
    event: 'auth_request_finished',
    hostname: 'mx',
    start_time: '2026-11-22T20:53:33.002965Z',
    end_time: '2026-11-22T20:53:43.003179Z',
    fields,
    ...changes,
  })

const kindOf = ({ kind }: ReadReport) => kind
const login = {
  user: 'alice',
  address: '198.51.100.7',
  service: 'imap',
  server: 'dovecot',
  session: '5A4xrONg6JLGM2QH',
}

describe('readPolicyReport', () => {
  it('gives the login, dated when it came', () => {
    expect(readPolicyReport(policy(), NOW)).toEqual({ kind: 'login', login: { ...login, tls: false, atMs: NOW } })
  })

  it('needs neither mechanism, session nor tls, and heeds nothing unknown', () => {
    const few = policy({ mechanism: undefined, session_id: undefined, tls: undefined, pwhash: '00', fail_type: 'x' })
    const { session: _session, ...rest } = login
    expect(readPolicyReport(few, NOW)).toEqual({ kind: 'login', login: { ...rest, atMs: NOW } })
  })

  it('folds addresses to their one form', () => {
    const read = readPolicyReport(policy({ remote: '::ffff:198.51.100.7', protocol: 'pop3' }), NOW)
    expect(read).toMatchObject({ login: { address: '198.51.100.7', service: 'pop3' } })
  })

  it.each([
    ['a wrong password', { success: false, login: '' }],
    [
      'a wrong password, with a name made to be noticed',
      { success: false, login: 'x\n\u0000'.repeat(900), remote: '' },
    ],
    ['a policy that says no', { policy_reject: true }],
    ['submission', { protocol: 'submission' }],
    ['Postfix', { protocol: 'smtp' }],
    ['sieve', { protocol: 'sieve' }],
    ['lmtp', { protocol: 'lmtp' }],
    ['doveadm', { protocol: 'doveadm' }],
    ['a proxy of IMAP by another name', { protocol: 'IMAP' }],
    ['nobody', { mechanism: 'ANONYMOUS', login: 'anonymous' }],
    ['a client of a local socket', { remote: '' }],
  ])('ignores %s', (_name, changes) => {
    expect(kindOf(readPolicyReport(policy(changes), NOW))).toBe('ignored')
  })

  it.each([
    ['success as text', { success: 'true' }],
    ['success as a number', { success: 1 }],
    ['no success', { success: undefined }],
    ['no policy_reject', { policy_reject: undefined }],
    ['policy_reject as text', { policy_reject: 'no' }],
    ['a list of users', { login: ['alice'] }],
    ['no user', { login: '' }],
    ['no address attribute', { remote: undefined }],
    ['an address with a port', { remote: '198.51.100.7:25' }],
    ['an address in octal', { remote: '198.051.100.7' }],
    ['a zone', { remote: 'fe80::1%eth0' }],
    ['two addresses', { remote: '198.51.100.7 203.0.113.1' }],
    ['a name', { remote: 'client.example.org' }],
    ['a line feed in the user', { login: 'alice\nroot' }],
    ['an escape in the user', { login: 'alice\u001b[2J' }],
    ['bytes that were no text', { login: 'al\ufffdce' }],
    ['an endless user', { login: 'a'.repeat(256) }],
    ['no protocol', { protocol: undefined }],
  ])('refuses %s', (_name, changes) => {
    expect(kindOf(readPolicyReport(policy(changes), NOW))).toBe('malformed')
  })

  it.each(['', '{', 'null', '[]', '"x"', '1', policy().slice(0, -1), `${policy()}${policy()}`, '['.repeat(16_000)])(
    'refuses %.20j',
    (text) => {
      expect(kindOf(readPolicyReport(text, NOW))).toBe('malformed')
      expect(kindOf(readEvent(text, NOW))).toBe('malformed')
    },
  )

  it('is not fooled by what every object has', () => {
    const text = `{"__proto__":${policy()},"success":true}`
    expect(kindOf(readPolicyReport(text, NOW))).toBe('malformed')
  })

  it('says what is wrong without a word of what was sent', () => {
    const read = readPolicyReport(policy({ login: 7, remote: 'SECRET' }), NOW)
    expect(read).toMatchObject({ kind: 'malformed', reason: expect.stringContaining('login') })
    expect(JSON.stringify(read)).not.toContain('SECRET')
  })
})

describe('readEvent', () => {
  const atMs = Date.parse('2026-11-22T20:53:43.003Z')

  it.each([
    ['2.3', fields23],
    ['2.4', fields24],
  ])('gives the login of %s, dated when it ended', (_version, fields) => {
    expect(readEvent(event(fields), NOW)).toEqual({ kind: 'login', login: { ...login, atMs } })
  })

  it('takes the user who was asked for, not the master', () => {
    const fields = { ...fields23, original_user: 'boss', master_user: 'boss', login_user: '' }
    expect(readEvent(event(fields), NOW)).toMatchObject({ login: { user: 'alice' } })
  })

  it('takes a proxy at its word once the backend has let the user in', () => {
    const proxied = { remote_ip: '198.51.100.7', user: 'alice', dest_ip: '192.0.2.26', duration: 18485 }
    const of = (fields: object) => readEvent(event(fields, { event: 'proxy_session_established' }), NOW)
    const expected = { login: { user: 'alice', address: '198.51.100.7', service: 'pop3', atMs } }
    expect(of({ ...proxied, service: 'pop3' })).toMatchObject(expected)
    expect(of({ ...proxied, protocol: 'pop3', service: 'pop3-login' })).toMatchObject(expected)
    expect(kindOf(of({ ...proxied, protocol: 'submission', service: 'submission-login' }))).toBe('ignored')
  })

  it.each([
    [1_795_380_823, 1_795_380_823_000],
    [1_795_380_823.25, 1_795_380_823_250],
    ['1795380823', 1_795_380_823_000],
    ['2026-11-22T21:53:43.003179+01:00', atMs],
    [undefined, NOW],
  ])('reads the time %j', (end_time, expected) => {
    expect(readEvent(event(fields24, { end_time }), NOW)).toMatchObject({ login: { atMs: expected } })
  })

  it.each(['', 'now', '2026-11-22 20:53:43', '2026-13-40T20:53:43Z', -1, 1e300, {}, null])(
    'refuses the time %j',
    (end_time) => {
      expect(kindOf(readEvent(event(fields24, { end_time }), NOW))).toBe('malformed')
    },
  )

  it.each([
    ['another event', fields24, { event: 'imap_command_finished' }],
    ['an event on the way', fields24, { event: 'auth_request_started' }],
    ['no success', { ...fields24, success: 'no' }],
    ['a success that is not told', { ...fields24, success: undefined }],
    ['a policy that says no', { ...fields24, policy_result: 'reject' }],
    ['submission', { ...fields24, protocol: 'submission' }],
    ['the login process in place of the protocol', { ...fields24, protocol: 'imap-login', service: 'imap' }],
    ['nobody', { ...fields24, mechanism: 'ANONYMOUS' }],
    ['no address', { ...fields24, remote_ip: undefined }],
    ['no protocol', { ...fields24, protocol: undefined }],
  ] as [string, object, object?][])('ignores %s', (_name, fields, changes) => {
    expect(kindOf(readEvent(event(fields, changes), NOW))).toBe('ignored')
  })

  it.each([
    ['no fields', undefined],
    ['fields as text', 'user=alice'],
    ['a list of addresses', { ...fields24, remote_ip: ['198.51.100.7'] }],
    ['success as a truth', { ...fields24, success: true }],
    ['no user', { ...fields24, user: undefined }],
    ['an empty user', { ...fields24, user: '' }],
    ['no address at all', { ...fields24, remote_ip: 'localhost' }],
  ])('refuses %s', (_name, fields) => {
    expect(kindOf(readEvent(event(fields as object), NOW))).toBe('malformed')
  })

  it('leaves a session out that is no word', () => {
    expect(readEvent(event({ ...fields24, session: 'a b\u0000' }), NOW)).not.toHaveProperty('login.session')
  })
})

describe('whatever comes', () => {
  const value = fc.oneof(
    fc.constantFrom(
      'alice',
      '198.51.100.7',
      'imap',
      'pop3',
      'yes',
      true,
      false,
      'PLAIN',
      'ANONYMOUS',
      'auth_request_finished',
    ),
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
  )
  const flat = (names: readonly string[]) =>
    fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] })
  const oneOf = (read: ReadReport) => {
    if (read.kind !== 'login') return
    expect(parseClientAddress(read.login.address)).toBe(read.login.address)
    expect(['pop3', 'imap']).toContain(read.login.service)
    expect(read.login.user).toMatch(/^[^\u0000-\u001f\u007f-\u009f]{1,255}$/)
    expect(Number.isSafeInteger(read.login.atMs)).toBe(true)
  }

  it('nothing throws, and a login is whole', () => {
    const policies = flat(['login', 'remote', 'protocol', 'success', 'policy_reject', 'mechanism', 'session_id', 'tls'])
    const events = fc.record({
      event: value,
      end_time: value,
      fields: flat(['user', 'remote_ip', 'service', 'protocol', 'success', 'policy_result', 'mechanism', 'session']),
    })
    fc.assert(
      fc.property(policies, events, (report, exported) => {
        oneOf(readPolicyReport(JSON.stringify(report), NOW))
        oneOf(readPolicyReport(policy(report), NOW))
        oneOf(readEvent(JSON.stringify(exported), NOW))
        oneOf(readEvent(event({ ...fields24, ...exported.fields }), NOW))
      }),
      { seed: 20261122, numRuns: 2000 },
    )
  })

  it('a report of a failed login is none with any byte changed', () => {
    const bytes = Buffer.from(policy({ success: false }))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(bytes)
        changed[at] = byte
        expect(kindOf(readPolicyReport(changed.toString('latin1'), NOW))).not.toBe('login')
      }),
      { seed: 20261122, numRuns: 2000 },
    )
  })
})
