import { expect, it } from 'vitest'
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, type Network, parseNetwork } from '../../core/client-address.ts'
import { opensmtpdListFormat } from './format.ts'

const HEAD = '# @list\n# Kept by popauthd; what is written here by hand is lost.\n'

async function rendered(ipv6Prefix: number, addresses: readonly string[], always: readonly string[] = []) {
  async function* slices() {
    for (const address of addresses)
      yield [{ address: address as ClientAddress, reason: 'login', users: [] } satisfies Authorization]
  }
  const networks = always.map((text) => parseNetwork(text) as Network)
  let text = ''
  for await (const piece of opensmtpdListFormat(ipv6Prefix).render(slices(), networks)) text += piece
  return text
}

it('is a list also where nothing stands in it', async () => {
  expect(await rendered(128, [])).toBe(HEAD)
})

it('spells addresses and networks as smtpd does', async () => {
  const text = await rendered(
    128,
    ['192.0.2.7', '2001:db8::7'],
    ['198.51.100.0/24', '2001:db8:1::/48', '2001:db8:2::1'],
  )
  expect(text).toBe(`${HEAD}198.51.100.0/24\n2001:db8:1::/48\n[2001:db8:2::1]\n192.0.2.7\n[2001:db8::7]\n`)
})

it('opens the network of an IPv6 login where that is wanted', async () => {
  expect(await rendered(64, ['192.0.2.7', '2001:db8::7'])).toBe(`${HEAD}192.0.2.7\n2001:db8::/64\n`)
})
