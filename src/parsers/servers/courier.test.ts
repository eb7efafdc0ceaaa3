/** What samples do not show: the ends of sessions, TLS, and which lines are told as cut. */
import { describe, expect, it } from 'vitest'
import type { LogLine } from '../../core/log-line.ts'
import { readLine } from '../envelope.ts'
import { courier } from './courier.ts'
import { imapproxy } from './imapproxy.ts'

function parse(text: string, parser = courier) {
  return parser.parse(readLine(`Nov 22 14:00:00 mx1 ${text}`) as LogLine)
}

describe('the ends of sessions', () => {
  const alice = { kind: 'logout', user: 'alice', address: '198.51.100.7' }

  it.each([
    ['pop3d: LOGOUT, user=alice, ip=[::ffff:198.51.100.7], port=[1], top=0, retr=0, rcvd=12, sent=40, time=0', 'pop3'],
    ['pop3d-ssl: DISCONNECTED, user=alice, ip=[198.51.100.7], top=0, retr=0, time=1, stls=1', 'pop3'],
    ['imapd: TIMEOUT, user=alice, ip=[198.51.100.7], headers=0, body=0', 'imap'],
    ['imapd: LOGOUT, user=alice, ip=[198.51.100.7], port=[1], headers=0, body=0, rcvd=1, sent=2, time=3', 'imap'],
    ['pop3d: I/O error disconnect, user=alice, ip=[198.51.100.7], port=[1], top=0, retr=0', 'pop3'],
  ])('%s', (text, service) => {
    expect(parse(text)).toEqual({ ...alice, service })
    expect(courier.logoutLiterals?.some((literal) => text.includes(literal))).toBe(true)
  })

  it.each([
    ['without a user', 'imapd: LOGOUT, ip=[198.51.100.7], port=[1], rcvd=1, sent=2'],
    ['with text behind the counters', 'imapd: LOGOUT, user=alice, ip=[198.51.100.7], headers=0, body=0 x'],
    ['with two addresses', 'imapd: LOGOUT, user=alice, ip=[6.6.6.6], ip=[198.51.100.7], headers=0'],
  ])('are none %s', (_name, text) => {
    expect(parse(text).kind).toBe('none')
  })

  it('of the IMAP proxy name the session that the login named', () => {
    const login = parse("in.imapproxyd[302]: LOGIN: 'alice' (198.51.100.7:41537) on new sd [9]", imapproxy)
    const logout = parse("in.imapproxyd[302]: LOGOUT: 'alice' from server sd [9]", imapproxy)
    expect(login).toMatchObject({ kind: 'login', login: { session: '302/9' } })
    expect(logout).toEqual({ kind: 'logout', user: 'alice', service: 'imap', session: '302/9' })
  })
})

it.each([
  ['imapd: LOGIN, user=alice, ip=[198.51.100.7], port=[1], protocol=IMAP, starttls=1', true],
  ['pop3d: LOGIN, user=alice, ip=[198.51.100.7], port=[1], stls=1', true],
  ['pop3d-ssl: LOGIN, user=alice, ip=[198.51.100.7]', true],
  ['imapd: LOGIN, user=alice, ip=[198.51.100.7], protocol=IMAP', undefined],
])('tells of TLS where the line does: %s', (text, tls) => {
  const result = parse(text)
  expect(result.kind === 'login' && result.login.tls).toBe(tls)
})

describe('a line that courierlogger cut', () => {
  const head = 'LOGIN FAILED, user='

  it.each([
    ['behind INFO', 505],
    ['behind DEBUG', 504],
    ['behind no mark', 511],
  ])('is told %s', (_name, bytes) => {
    expect(parse(`pop3d: ${head.padEnd(bytes, 'A')}`).kind).toBe('cut')
  })

  it('is told by its bytes', () => {
    const text = `ID, user=bob, ip=[198.51.100.9], name=${'é'.repeat(235)}`
    expect(text.length).toBeLessThan(300)
    expect(parse(`imapd: ${text}`).kind).toBe('cut')
  })

  it('is none where it is shorter, or of another program', () => {
    expect(parse(`pop3d: ${head.padEnd(450, 'A')}`)).toMatchObject({ kind: 'none', mismatch: 'ordinary' })
    expect(parse(`esmtpd: ${head.padEnd(505, 'A')}`)).toMatchObject({ kind: 'none', mismatch: 'ordinary' })
  })
})
