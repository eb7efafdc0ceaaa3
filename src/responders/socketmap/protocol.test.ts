import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import { answerRequest } from './protocol.ts'

const yes: Verdict = { authorized: true, reason: 'login', detail: '' }
const no: Verdict = { authorized: false, reason: 'unknown', detail: '' }
const open = new Set(['192.0.2.1', '2001:db8::1'])
const lookup = (address: ClientAddress) => (open.has(address) ? yes : no)
const answer = (payload: string) => answerRequest(payload, lookup).answer

describe('socket map requests', () => {
  it.each([
    'popauth connect:192.0.2.1',
    'popauth Connect:192.0.2.1',
    'popauth CONNECT:192.0.2.1',
    'popauth connect:ipv6:2001:db8:0:0:0:0:0:1',
    'popauth Connect:IPv6:2001:DB8::1',
    'popauth connect:2001:db8::1',
    'popauth connect:ipv6:::ffff:192.0.2.1',
  ])('%j relays', (payload) => {
    expect(answer(payload)).toBe('OK RELAY')
  })

  it.each([
    'popauth connect:192.0.2.2',
    'popauth 192.0.2.1',
    'popauth ipv6:2001:db8:0:0:0:0:0:1',
    'popauth connect:192.0.2',
    'popauth connect:192.0.2.1.',
    'popauth connect: 192.0.2.1',
    'popauth connect:192.0.2.1 ',
    'popauth  connect:192.0.2.1',
    'popauth connect:192.0.2.01',
    'popauth connect:[192.0.2.1]',
    'popauth connect:ipv6:192.0.2.1',
    'popauth connect:ipv6:2001:db8',
    'popauth connect:2001:db8::1%eth0',
    'popauth connect:192.0.2.1/32',
    'popauth from:192.0.2.1',
    'popauth connect:connect:192.0.2.1',
    'popauth connect:',
    'popauth ',
    'popauth host.example.com',
    'popauth connect:192.0.2.1\n',
    'popauth connect:192.0.2.1\0',
    'POPAUTH connect:192.0.2.1',
    'other connect:192.0.2.1',
    'constructor connect:192.0.2.1',
    `popauth connect:${'1'.repeat(9000)}`,
  ])('%j is not found', (payload) => {
    expect(answer(payload)).toBe('NOTFOUND ')
  })

  it.each(['', 'popauth', ' connect:192.0.2.1', ' '])('%j is no request', (payload) => {
    expect(answerRequest(payload, lookup)).toEqual({})
  })

  it('is put off only while the table is not loaded, and then only for keys that could be found', () => {
    expect(answerRequest('popauth connect:192.0.2.1', () => undefined).answer).toMatch(/^TEMP ./)
    expect(answerRequest('popauth connect:example.com', () => undefined).answer).toBe('NOTFOUND ')
  })
})
