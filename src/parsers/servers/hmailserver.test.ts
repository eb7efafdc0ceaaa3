/** What the samples cannot show: line ends. hMailServer writes CR LF, and a bare LF of a client as it is. */
import { expect, it } from 'vitest'
import { LoginScanner } from '../scanner.ts'
import { hmailserver } from './hmailserver.ts'

const NEWEST_MS = Date.UTC(2026, 10, 22, 14)

function scan(log: string, scanner = new LoginScanner({ parsers: [hmailserver], timezone: 'UTC' })) {
  const logins: string[] = []
  const reasons: string[] = []
  scanner.scan(
    Buffer.from(log),
    { format: 'lines', newestMs: NEWEST_MS },
    {
      login: ({ user, address, session }) => logins.push(`${user} ${address} ${session}`),
      rejected: ({ reason }) => reasons.push(reason),
    },
  )
  return { logins, reasons }
}

function line(session: number, address: string, text: string): string {
  return `"POP3D"\t1828\t${session}\t"2026-11-22 13:31:02.200"\t"${address}"\t"${text}"`
}

const USER = line(17, '198.51.100.7', 'RECEIVED: USER alice@example.com')
const PASSED = line(17, '198.51.100.7', 'SENT: +OK Mailbox locked and ready')
const FORGED = line(18, '203.0.113.9', 'RECEIVED: USER mallory')
const FORGED_PASSED = line(18, '203.0.113.9', 'SENT: +OK Mailbox locked and ready')

it('takes a login with CR LF as with LF', () => {
  expect(scan(`${USER}\r\n${PASSED}\r\n`).logins).toEqual(['alice@example.com 198.51.100.7 17'])
  expect(scan(`${USER}\n${PASSED}\n`).logins).toEqual(['alice@example.com 198.51.100.7 17'])
})

it('takes no line that a client wrote behind a bare LF, nor the last of several', () => {
  const command = (text: string) => `${line(19, '198.51.100.9', `RECEIVED: NOOP\n${text}`).slice(0, -1)}\r\n`
  const log = `${USER}\r\n${command(FORGED)}${command(FORGED_PASSED)}${PASSED}\r\n`
  expect(scan(log).logins).toEqual(['alice@example.com 198.51.100.7 17'])
  expect(scan(log).reasons.at(-1)).toContain('bare LF')
  const inOne = `${USER}\r\n${command(`${FORGED}\n${FORGED_PASSED}\nx`)}${PASSED}\r\n`
  expect(scan(inOne).logins).toEqual(['alice@example.com 198.51.100.7 17'])
})

it('does so over chunks and a restart', () => {
  const scanner = new LoginScanner({ parsers: [hmailserver], timezone: 'UTC' })
  expect(scan(`${USER}\r\n${FORGED}\r\n"POP3D"\t1\t2\t"x"\t"y"\t"RECEIVED: NOOP\n`, scanner).logins).toEqual([])
  const after = new LoginScanner({ parsers: [hmailserver], timezone: 'UTC' })
  after.restore(JSON.parse(JSON.stringify(scanner.snapshot())))
  expect(scan(`${FORGED_PASSED}\r\n${PASSED}\r\n`, after).logins).toEqual(['alice@example.com 198.51.100.7 17'])
})

it('names the fields', () => {
  const [explained] = new LoginScanner({ parsers: [hmailserver], timezone: 'UTC' }).explain(USER, {
    format: 'lines',
    newestMs: NEWEST_MS,
  })
  expect(explained?.outcome).toBe('attempt')
  for (const { value, column } of explained?.fields ?? []) expect(USER.slice(column, column + value.length)).toBe(value)
  expect(explained?.fields.map(({ name, value }) => `${name}=${value}`)).toEqual([
    'session=17',
    'address=198.51.100.7',
    'user=alice@example.com',
  ])
})
