import { describe, expect, it } from 'vitest'
import { loggedIn, networksOf, rendered } from '../../../test/support/rendered-format.ts'
import { eximListFormat } from './format.ts'

const HEAD = '# Kept by popauthd; what is written here by hand is lost.\n'
const ALICE = loggedIn('192.0.2.7', 1_700_000_000_000)
const BOB = loggedIn('2001:db8::7:1', 1_700_000_000_000)
const textOf = async (...args: Parameters<typeof rendered>) => (await rendered(...args)).toString('latin1')

describe('a host list of Exim', () => {
  it('is a comment alone where nobody may relay: an empty file would do as well, but tells nobody whose it is', async () => {
    expect(await textOf(eximListFormat(128), [])).toBe(HEAD)
  })

  it('has one address a line, IPv6 without quotes or brackets', async () => {
    expect(await textOf(eximListFormat(128), [ALICE, BOB])).toBe(`${HEAD}192.0.2.7\n2001:db8::7:1\n`)
  })

  it('opens the network of an IPv6 login that the prefix says, and one address of IPv4', async () => {
    expect(await textOf(eximListFormat(64), [ALICE, BOB])).toBe(`${HEAD}192.0.2.7\n2001:db8::/64\n`)
  })

  it('has networks that always may relay', async () => {
    const always = networksOf('10.0.0.0/8', '198.51.100.9', '2001:db8:9::/48')
    const text = `${HEAD}10.0.0.0/8\n198.51.100.9\n2001:db8:9::/48\n192.0.2.7\n`
    expect(await textOf(eximListFormat(128), [ALICE], always)).toBe(text)
  })
})
