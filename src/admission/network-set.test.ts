import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ClientAddress, networkContains, networkOf, parseClientAddress } from '../core/client-address.ts'
import { NetworkSet } from './network-set.ts'

const address = fc
  .oneof(
    fc.ipV4(),
    fc.ipV6(),
    // Close to each other, so that networks hold addresses.
    fc.nat(255).map((host) => `192.0.2.${host}`),
    fc.nat(255).map((first) => `${first}.0.0.1`),
    fc.nat(0xffff).map((word) => `${word.toString(16)}::1`),
  )
  .map((text) => parseClientAddress(text) as ClientAddress)
const network = fc
  .tuple(address, fc.nat(128))
  .map(([start, bits]) => networkOf(start, start.includes(':') ? bits : bits % 33))

it('finds the narrowest network that holds an address, as asking each of them does', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 6 }), fc.array(address, { minLength: 1 }), (networks, addresses) => {
      const set = NetworkSet.of(networks, 'test')
      for (const one of addresses) {
        const bits = networks.filter((other) => networkContains(other, one)).map((other) => other.bits)
        expect(set.find(one)?.network.bits).toBe(bits.length === 0 ? undefined : Math.max(...bits))
      }
    }),
    { numRuns: 2000 },
  )
})
