import { describe, expect, it } from 'vitest'
import { scopeOfKey } from './access-text.ts'
import { type ClientAddress, parseClientAddress } from './client-address.ts'
import { StaticEntries } from './static-entries.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const veto = (text: string, client: string) => new StaticEntries(text).vetoFor(address(client))

describe('static entries', () => {
  it.each([
    '192.0.2.7 REJECT',
    'Connect:192.0.2.7\tREJECT',
    'CONNECT:192.0.2.7 ERROR:5.7.1:"550 go away"',
    '192.0.2 REJECT',
    'connect:192.0 DISCARD',
    '192 REJECT',
    '192.0.2. REJECT',
    '192.0.2.0/24 REJECT',
    'Connect:192.0.0.0/16 REJECT',
    '[192.0.2.7] REJECT',
    'Connect:[192.0.2.7] REJECT',
    '192.0.2.7 SKIP',
    '192.0.2.7 QUARANTINE:hold',
    '192.0.2.7 550 no',
    ' 192.0.2.7 REJECT',
    'IPv6:::ffff:192.0.2.7 REJECT',
    '192.0.2.7 REJECT\r',
  ])('%j closes 192.0.2.7', (line) => {
    expect(veto(`# comment\n${line}\n`, '192.0.2.7')).toMatchObject({ line: 2 })
  })

  it.each([
    'Connect:IPv6:2001:db8:2:0:0:0:0:7 REJECT',
    'IPv6:2001:db8:2::7 REJECT',
    'IPv6:2001:0DB8:0002:0000:0000:0000:0000:0007 REJECT',
    '2001:db8:2::7 REJECT',
    'Connect:IPv6:2001:db8:2 REJECT',
    'IPv6:2001:db8:2:: REJECT',
    'IPv6:2001 REJECT',
    'Connect:[IPv6:2001:db8:2:0:0:0:0:7] REJECT',
    '2001:db8::/32 REJECT',
  ])('%j closes 2001:db8:2::7', (line) => {
    expect(veto(line, '2001:db8:2::7')).toMatchObject({ line: 1 })
  })

  it.each([
    '192.0.2.7 RELAY',
    '192.0.2.7 OK',
    'Connect:192.0.2.7 relay ',
    '192.0.2.70 REJECT',
    '192.0.20 REJECT',
    '2.7 REJECT',
    '19 REJECT',
    '#192.0.2.7 REJECT',
    'From:192.0.2.7 REJECT',
    'GreetPause:192.0.2.7 5000',
    'host.example.com REJECT',
    '192.0.2.7@example.com REJECT',
    '192.0.2.7',
    'IPv6:192 REJECT',
    'IPv6:c000:207 REJECT',
  ])('%j leaves 192.0.2.7 alone', (line) => {
    expect(veto(line, '192.0.2.7')).toBeUndefined()
  })

  it('names the most specific entry as it was written', () => {
    const text = '192.0.2 REJECT\n\nConnect:192.0.2.7   ERROR:5.7.1:"550 you again"\n192.0.2.7 RELAY\n'
    expect(veto(text, '192.0.2.7')).toEqual({ entry: 'Connect:192.0.2.7 ERROR:5.7.1:"550 you again"', line: 3 })
    expect(veto(text, '192.0.2.8')).toEqual({ entry: '192.0.2 REJECT', line: 1 })
    expect(StaticEntries.none.vetoFor(address('192.0.2.7'))).toBeUndefined()
  })

  it('is asked for whole IPv6 networks too', () => {
    const entries = new StaticEntries('IPv6:2001:db8:0:1:0:0:0:5 REJECT\n2001:db8:7::/48 REJECT\n10.0.0.0/8 REJECT\n')
    expect(entries.vetoFor(address('2001:db8:0:1::'))).toBeUndefined()
    expect(entries.vetoFor(address('2001:db8:0:1::'), 64)).toMatchObject({ line: 1 })
    expect(entries.vetoFor(address('2001:db8:0:2::'), 64)).toBeUndefined()
    expect(entries.vetoFor(address('2001:db8:7:2::'), 64)).toMatchObject({ line: 2 })
    expect(entries.vetoFor(address('10.1.2.3'))).toMatchObject({ line: 3 })
  })

  it('is asked for all that a key is about', () => {
    const entries = new StaticEntries('192.0.2.7 REJECT\n10.0.0.0/9 REJECT\nIPv6:2001:db8 REJECT\n')
    const line = (key: string) => entries.vetoForAll(scopeOfKey(key) ?? expect.fail(key))?.line
    expect(['192.0.2', '192.0.2.7', '10', '10.127', '10.128'].map(line)).toEqual([
      undefined,
      1,
      undefined,
      2,
      undefined,
    ])
    expect(['IPv6:2001', 'IPv6:2001:db8', 'IPv6:2001:db8:1'].map(line)).toEqual([undefined, 3, 3])
  })

  it('does not let a permitting line hide a refusing one for the same key', () => {
    expect(veto('192.0.2.7 RELAY\n192.0.2.7 REJECT\n', '192.0.2.7')).toMatchObject({ line: 2 })
  })
})
