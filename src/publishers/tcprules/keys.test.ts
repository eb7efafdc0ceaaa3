import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ClientAddress,
  networkContains,
  networkOf,
  parseClientAddress,
  parseNetwork,
} from '../../core/client-address.ts'
import { keyOfAddress, keysOfNetwork, liesIn, lookupsOf } from './keys.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const network = (text: string) => parseNetwork(text) ?? expect.fail(`${text} is a network`)

describe('keys of tcpserver', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8::1:2:3:4:5'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:0:0:1:2:0:0:1', '2001::1:2:0:0:1'],
    ['2001:db8:1:2:3:4:5:0', '2001:db8:1:2:3:4:5::'],
    ['::1', '::1'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('spell %s as %s', (text, key) => {
    expect(keyOfAddress(address(text))).toBe(key)
  })

  it.each([
    ['192.0.2.0/24', ['192.0.2.']],
    ['10.0.0.0/8', ['10.']],
    ['192.0.2.4/30', ['192.0.2.4', '192.0.2.5', '192.0.2.6', '192.0.2.7']],
    ['172.16.0.0/15', ['172.16.', '172.17.']],
    ['192.0.2.9', ['192.0.2.9']],
    ['2001:db8::7', ['2001:db8::7']],
    ['2001:db8:2:3::/64', ['2001:db8:2:3:']],
    ['2001:db8:2:2::/63', ['2001:db8:2:2:', '2001:db8:2:3:']],
  ])('stand for %s', (text, keys) => {
    expect(keysOfNetwork(network(text))).toEqual({ keys })
  })

  it.each([
    ['0.0.0.0/0', /every address/],
    ['::/0', /every address/],
    ['2001:db8::/36', /4096 rules/],
    ['2001:db8:0:3::/64', /zero/],
    ['2001:db8:2::/63', /zero/],
  ])('cannot say %s', (text, problem) => {
    expect(keysOfNetwork(network(text))).toEqual({ problem: expect.stringMatching(problem) })
  })

  it('are found for all addresses of a network, and for no other', () => {
    const words = fc.array(fc.constantFrom(0, 1, 0xab, 0xffff), { minLength: 8, maxLength: 8 })
    const any = words.map((eight) => address(eight.map((word) => word.toString(16)).join(':')))
    fc.assert(
      fc.property(any, any, fc.constantFrom(16, 32, 48, 60, 64, 112, 128), (one, other, bits) => {
        const around = networkOf(one, one.includes(':') ? bits : 24)
        const said = keysOfNetwork(around)
        if ('problem' in said) return
        const isFound = (client: ClientAddress) =>
          [...lookupsOf(keyOfAddress(client))].some((key) => said.keys.includes(key))
        expect(isFound(one)).toBe(true)
        expect(isFound(other)).toBe(networkContains(around, other))
      }),
      { numRuns: 2000 },
    )
  })

  it('are looked up from the longest to the empty one', () => {
    expect([...lookupsOf('192.0.2.1')]).toEqual(['192.0.2.1', '192.0.2.', '192.0.', '192.', ''])
    expect([...lookupsOf('2001:db8::7')]).toEqual(['2001:db8::7', '2001:db8::', '2001:db8:', '2001:', ''])
    expect([...lookupsOf('192.0.2.')]).toEqual(['192.0.2.', '192.0.', '192.', ''])
    expect([...lookupsOf('')]).toEqual([''])
  })

  it('lie in a network as a whole, or not', () => {
    const always = [network('192.0.2.0/24'), network('2001:db8::/32')]
    for (const key of ['192.0.2.7', '192.0.2.', '2001:db8::7', '2001:db8:']) expect(liesIn(key, always), key).toBe(true)
    for (const key of ['192.0.', '192.0.3.7', '2001:', '', '=192.0.2.7', 'joe@192.0.2.7', 'connect:192.0.2.7'])
      expect(liesIn(key, always), key).toBe(false)
  })
})
