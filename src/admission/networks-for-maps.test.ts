/** Which networks maps open without a login, where an operator blocks parts of them. */
import { expect, it } from 'vitest'
import { type ClientAddress, type Network, parseNetwork } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import { StaticEntries } from '../core/static-entries.ts'
import { NetworkSet } from './network-set.ts'
import { NetworksForMaps, networksForMaps } from './open-networks.ts'

const set = (...texts: string[]) =>
  NetworkSet.of(
    texts.map((text) => parseNetwork(text) as Network),
    'configured',
  )
const block = (address: string): Decision => ({ kind: 'block', address: address as ClientAddress, atMs: 0 })
const textsOf = (networks: readonly Network[]) => networks.map(({ text }) => text)

it('closes all of the network that one IPv6 address stands for', () => {
  const policy = { always: set('2001:db8::/63'), never: set(), ipv6Prefix: 64 }
  expect(textsOf(networksForMaps(policy, [block('2001:db8::7')], 1).others)).toEqual(['2001:db8:0:1::/64'])
})

it('closes what a static entry of the access map refuses in all other maps: the access map holds the entry itself', () => {
  const { networks: staticNetworks } = new StaticEntries(
    'Connect:192.0.2.66 REJECT\n198.51.100 550 no\nConnect:192.0.2.7 OK\nConnect:IPv6:2001:db8:0:1 REJECT\n',
  )
  const always = set('192.0.2.64/30', '198.51.100.0/25', '192.0.2.7', '2001:db8::/63')
  const { accessMap, others } = networksForMaps({ always, never: set(), ipv6Prefix: 128, staticNetworks }, [], 1)
  expect(textsOf(accessMap)).toEqual(['192.0.2.64/30', '198.51.100.0/25', '192.0.2.7', '2001:db8::/63'])
  expect(textsOf(others)).toEqual(['192.0.2.64/31', '192.0.2.67', '192.0.2.7', '2001:db8::/64'])
})

it('opens nothing where nothing always may relay', () => {
  expect(networksForMaps({ always: set(), never: set(), ipv6Prefix: 128 }, [block('192.0.2.7')], 1)).toEqual({
    accessMap: [],
    others: [],
  })
})

it('goes through thousands of blocks once, not once for each network that they leave', () => {
  const blocks = Array.from({ length: 2_000 }, (_, n) => block(`10.${n >> 8}.${n & 255}.${(n * 7) & 255}`))
  const policy = { always: set('10.0.0.0/8', '192.0.2.0/24'), never: set('127.0.0.0/8'), ipv6Prefix: 128 }
  const maps = new NetworksForMaps()
  const open = maps.of(policy, blocks, 1)
  expect(open.others.length).toBeGreaterThan(2_000)
  expect(maps.of(policy, blocks, 2)).toBe(open)
  expect(maps.of(policy, [], 2).others).toHaveLength(2)
})
