/** The host's own address inside a network that always may relay: an access map has no keys for what is left of it. */
import { afterEach, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import { networksForMaps } from '../admission/open-networks.ts'
import { type Network, parseNetwork } from '../core/client-address.ts'
import { ManualClock } from '../lib/clock.ts'
import { sayAlways } from './say-always.ts'
import { SendmailAccessPublisher } from './sendmail-access/sendmail-access-publisher.ts'

const networks = (...texts: string[]) => texts.map((text) => parseNetwork(text) as Network)
const notices: string[] = []
const notice = (message: string) => void notices.push(message)
const always = networks('2001:db8:0:1::/64', '192.0.2.0/24')
const publisher = new SendmailAccessPublisher({
  config: {
    enabled: true,
    path: '/nowhere/access',
    mapType: 'hash',
    makemapCommand: ['/usr/sbin/makemap', '{type}', '{map}'],
    editmapCommand: [],
    taggedKeys: true,
    gatherMilliseconds: 0,
    writeInfo: false,
  },
  always,
  ipv6Prefix: 128,
  stateDirectory: '/nowhere',
  clock: new ManualClock(1_000_000),
  isKnown: () => false,
  notice,
})
afterEach(() => publisher[Symbol.asyncDispose]())

it('stops nobody, and is told', () => {
  const never = NetworkSet.of(networks('2001:db8:0:1::25'), "the host's own")
  const policy = { always: NetworkSet.of(always, 'configured'), never, ipv6Prefix: 128 }
  sayAlways(publisher, networksForMaps(policy, [], 1).accessMap, notice)
  expect(notices).toEqual([expect.stringMatching(/not all that always may relay is open in sendmail_access: .*keys/)])
})
