import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addressesOf,
  addressFromBytes,
  addressToBytes,
  type ClientAddress,
  isIPv4Address,
  isIPv6Network,
  networkContains,
  networkHolds,
  networkOf,
  networkOfLogin,
  networksOverlap,
  parseClientAddress,
  parseNetwork,
  parseNetworkAround,
} from './client-address.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const network = (text: string) => parseNetwork(text) ?? expect.fail(`${text} is a network`)

describe('parseClientAddress', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:db8:2:0:1:2:3:4', '2001:db8:2:0:1:2:3:4'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['::FFFF:c633:6407', '198.51.100.7'],
    ['::1', '::1'],
    ['::192.0.2.1', '::c000:201'],
    ['0:0:0:0:0:0:192.0.2.1', '::c000:201'],
    ['::0.0.0.1', '::1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['1:2:3:4:5:6:255.255.0.1', '1:2:3:4:5:6:ffff:1'],
    ['::ffff:0:192.0.2.1', '::ffff:0:c000:201'],
  ])('takes %s as %s', (text, canonical) => {
    expect(parseClientAddress(text)).toBe(canonical)
  })

  it.each([
    '',
    ' 192.0.2.1',
    '192.0.2.1 ',
    '192.0.2.1\n',
    '192.0.2',
    '1.2.3',
    '0x7f.1',
    '0x7f.0.0.1',
    '017.0.0.1',
    '01.2.3.4',
    '999.1.1.1',
    '192.0.2.1/32',
    '[2001:db8::1]',
    'fe80::1%eth0',
    '::ffff:198.51.100.07',
    '2001:db8::1::2',
    'IPv6:2001:db8::1',
    'localhost',
    '١٩٢.٠.٢.١',
    `${'0'.repeat(60)}1::`,
  ])('refuses %j', (text) => {
    expect(parseClientAddress(text)).toBeUndefined()
  })

  it('is a fixed point and survives the way through bytes', () => {
    const any = fc.oneof(fc.ipV4(), fc.ipV6())
    fc.assert(
      fc.property(any, (text) => {
        const canonical = address(text)
        expect(parseClientAddress(canonical)).toBe(canonical)
        expect(addressFromBytes(addressToBytes(canonical))).toBe(canonical)
      }),
    )
  })
})

describe('networks', () => {
  it('hold what lies within and nothing else', () => {
    expect(networkContains(network('192.0.2.0/24'), address('192.0.2.255'))).toBe(true)
    expect(networkContains(network('192.0.2.0/24'), address('192.0.3.0'))).toBe(false)
    expect(networkContains(network('192.0.2.128/25'), address('192.0.2.127'))).toBe(false)
    expect(networkContains(network('2001:db8::/32'), address('2001:db8:ffff::1'))).toBe(true)
    expect(networkContains(network('2001:db8::/33'), address('2001:db8:8000::'))).toBe(false)
    expect(networkContains(network('192.0.2.1'), address('192.0.2.1'))).toBe(true)
  })

  it('keep the two families apart', () => {
    expect(networkContains(network('::/0'), address('192.0.2.1'))).toBe(false)
    expect(networkContains(network('0.0.0.0/0'), address('::ffff:1.2.3.4'))).toBe(true)
    expect(networkContains(network('0.0.0.0/0'), address('2001:db8::1'))).toBe(false)
  })

  it.each([
    '192.0.2.1/24',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/024',
    '192.0.2.0/',
    '/24',
    '2001:db8::/129',
    'x/8',
  ])('refuse %s', (text) => {
    expect(parseNetwork(text)).toBeUndefined()
  })

  it('name the network of an address', () => {
    expect(networkOf(address('2001:db8:2:3:4:5:6:7'), 64).text).toBe('2001:db8:2:3::/64')
    expect(networkOf(address('198.51.100.7'), 24).text).toBe('198.51.100.0/24')
    expect(networkOf(address('198.51.100.7'), 32).text).toBe('198.51.100.7')
  })

  it('name what a login opens', () => {
    expect(networkOfLogin(address('2001:db8:2:3:4:5:6:7'), 64).text).toBe('2001:db8:2:3::/64')
    expect(networkOfLogin(address('2001:db8::7'), 128).text).toBe('2001:db8::7')
    expect(networkOfLogin(address('198.51.100.7'), 64).text).toBe('198.51.100.7')
  })

  it.each([
    ['192.0.2.7/24', '192.0.2.0/24'],
    ['192.0.2.7/32', '192.0.2.7'],
    ['2001:db8::7/64', '2001:db8::/64'],
    ['::ffff:192.0.2.7/24', '192.0.2.0/24'],
    ['192.0.2.7', undefined],
    ['192.0.2.7/33', undefined],
    ['2001:db8::/129', undefined],
    ['192.0.2.7/24/24', undefined],
    ['192.0.2/24', undefined],
  ])('are read around %s as %s', (text, around) => {
    expect(parseNetworkAround(text)?.text).toBe(around)
  })

  it.each([
    ['192.0.2.0/24', '192.0.2.7', true],
    ['192.0.2.0/24', '192.0.3.0/24', false],
    ['192.0.2.0/25', '192.0.2.128/25', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '192.0.2.7', false],
    ['2001:db8::/33', '2001:db8:8000::/34', false],
    ['::fffe:0:0/95', '192.0.2.0/24', false],
  ])('%s and %s have addresses in common: %s', (a, b, expected) => {
    expect(networksOverlap(network(a), network(b))).toBe(expected)
    expect(networksOverlap(network(b), network(a))).toBe(expected)
    expect(networkHolds(network(a), network(b))).toBe(expected)
  })

  it('overlap exactly where one holds the first address of the other', () => {
    const near = fc
      .tuple(
        fc.oneof(
          fc.nat(0xffff).map((low) => `192.0.${low >> 8}.${low & 255}`),
          fc.nat(0xffff).map((low) => `2001:db8::${low.toString(16)}`),
        ),
        fc.integer({ min: 0, max: 18 }),
      )
      .map(([text, free]) => networkOf(address(text), (text.includes(':') ? 128 : 32) - free))
    fc.assert(
      fc.property(near, near, (a, b) => {
        const holds = networkContains(a, addressFromBytes(b.bytes))
        expect(networksOverlap(a, b)).toBe(holds || networkContains(b, addressFromBytes(a.bytes)))
        expect(networkHolds(a, b)).toBe(holds && a.bits <= b.bits)
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['192.0.2.254/31', ['192.0.2.254', '192.0.2.255']],
    ['192.0.2.7', ['192.0.2.7']],
    ['2001:db8::fffe/127', ['2001:db8::fffe', '2001:db8::ffff']],
  ])('%s has the addresses %j', (text, addresses) => {
    expect([...addressesOf(network(text))]).toEqual(addresses)
    expect(addresses.every((one) => isIPv4Address(address(one)) !== isIPv6Network(network(text)))).toBe(true)
  })
})
