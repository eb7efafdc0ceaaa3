import { describe, expect, it } from 'vitest'
import { loggedIn, networksOf, rendered } from '../../../test/support/rendered-format.ts'
import { eximIplsearchFormat } from './format.ts'

const HEAD = '# Kept by popauthd; what is written here by hand is lost. Address: end of its right, Unix time.\n'
const ALICE = loggedIn('192.0.2.7', 1_700_000_000_999)
const BOB = loggedIn('2001:db8::7:1', 1_700_000_060_000)
const textOf = async (...args: Parameters<typeof rendered>) => (await rendered(...args)).toString('latin1')

describe('a file for iplsearch', () => {
  it('is a comment alone where nobody may relay', async () => {
    expect(await textOf(eximIplsearchFormat(128), [])).toBe(HEAD)
  })

  it('has the end of each address in whole seconds, never a later one, and IPv6 in quotes', async () => {
    const text = `${HEAD}192.0.2.7: 1700000000\n"2001:db8::7:1": 1700000060\n`
    expect(await textOf(eximIplsearchFormat(128), [ALICE, BOB])).toBe(text)
  })

  it('opens the network of an IPv6 login that the prefix says', async () => {
    const text = `${HEAD}192.0.2.7: 1700000000\n"2001:db8::/64": 1700000060\n`
    expect(await textOf(eximIplsearchFormat(64), [ALICE, BOB])).toBe(text)
  })

  it('puts what never ends in front of logins of the same addresses, for the first line counts', async () => {
    const always = networksOf('192.0.2.0/24', '2001:db8:9::/48')
    const text = `${HEAD}192.0.2.0/24: 4294967295\n"2001:db8:9::/48": 4294967295\n192.0.2.7: 1700000000\n`
    expect(await textOf(eximIplsearchFormat(128), [ALICE], always)).toBe(text)
  })

  it('is told of extensions, which move the end', () => {
    expect(eximIplsearchFormat(128).needs).toBe('expiry')
  })
})
