import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Network, networkContains, networkOf, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import { openNetworks } from './open-networks.ts'

const networks = (...texts: string[]) => texts.map((text) => parseNetwork(text) as Network)
const open = (always: string[], closed: string[]) =>
  openNetworks(networks(...always), networks(...closed)).map(({ text }) => text)

describe('the networks that are really open', () => {
  it.each([
    [['192.0.2.0/24'], [], ['192.0.2.0/24']],
    [['192.0.2.0/24'], ['198.51.100.0/24', '2001:db8::/32', '::/0'], ['192.0.2.0/24']],
    [['192.0.2.0/24', '2001:db8::/64'], ['192.0.2.0/24'], ['2001:db8::/64']],
    [['192.0.2.0/24'], ['192.0.0.0/16'], []],
    [['192.0.2.7'], ['192.0.2.7'], []],
    [['192.0.2.0/30'], ['192.0.2.1'], ['192.0.2.0', '192.0.2.2/31']],
    [['192.0.2.0/29'], ['192.0.2.0/30', '192.0.2.7'], ['192.0.2.4/31', '192.0.2.6']],
    [['2001:db8::/126'], ['2001:db8::2'], ['2001:db8::/127', '2001:db8::3']],
    [['192.0.2.0/24'], ['0.0.0.0/0'], []],
    [['::fffe:0:0/95'], ['::fffe:0:0/97'], ['::fffe:8000:0/97']],
  ])('of %j without %j are %j', (always, closed, expected) => {
    expect(open(always, closed)).toEqual(expected)
  })

  it('hold exactly the addresses that lie in an open network and in no closed one', () => {
    const network = fc
      .tuple(fc.nat(255), fc.integer({ min: 24, max: 32 }))
      .map(([host, prefix]) => networkOf(parseClientAddress(`192.0.2.${host}`) as never, prefix))
    fc.assert(
      fc.property(fc.array(network, { maxLength: 3 }), fc.array(network, { maxLength: 4 }), (always, closed) => {
        const left = openNetworks(always, closed)
        for (let host = 0; host < 256; host++) {
          const address = parseClientAddress(`192.0.2.${host}`) as never
          const isOpen = (list: readonly Network[]) => list.some((one) => networkContains(one, address))
          expect(isOpen(left), address).toBe(isOpen(always) && !isOpen(closed))
        }
      }),
      { numRuns: 60 },
    )
  })
})
