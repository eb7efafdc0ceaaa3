import { describe, expect, it } from 'vitest'
import { readCdb } from '../../../test/support/cdb-reader.ts'
import { addressOf, loggedIn, networksOf, rendered } from '../../../test/support/rendered-format.ts'
import { UsageError } from '../../errors.ts'
import { eximCdbFormat, keyOfAddress } from './format.ts'

const ALICE = loggedIn('192.0.2.7', 1_700_000_000_999)
const BOB = loggedIn('2001:db8::7:1', 1_700_000_060_000)
const FULL = '2001.0db8.0000.0000.0000.0000.0007.0001'
const entriesOf = async (...args: Parameters<typeof rendered>) =>
  readCdb(await rendered(...args))
    .entries()
    .map(([key, data]) => `${key} ${data}`)

describe('a cdb for Exim', () => {
  it('writes addresses as Exim looks for them', () => {
    expect(keyOfAddress(addressOf('192.0.2.7'))).toBe('192.0.2.7')
    expect(keyOfAddress(addressOf('2001:db8::7:1'))).toBe(FULL)
    expect(keyOfAddress(addressOf('2001:DB8:ABCD::'))).toBe('2001.0db8.abcd.0000.0000.0000.0000.0000')
    expect(keyOfAddress(addressOf('::ffff:192.0.2.7'))).toBe('192.0.2.7')
  })

  it('has records of key and end, byte for byte, with no NUL', async () => {
    const file = await rendered(eximCdbFormat(128), [ALICE])
    expect(file.subarray(2048, 2048 + 8 + 9 + 10).toString('latin1')).toBe('\x09\0\0\0\x0a\0\0\x00192.0.2.71700000000')
  })

  it('has the end of each address in whole seconds, never a later one', async () => {
    expect(await entriesOf(eximCdbFormat(128), [ALICE, BOB])).toEqual(['192.0.2.7 1700000000', `${FULL} 1700000060`])
  })

  it('has the network of an IPv6 login with its length, as net64-cdb looks for it', async () => {
    const network = '2001.0db8.0000.0000.0000.0000.0000.0000/64 1700000060'
    expect(await entriesOf(eximCdbFormat(64), [ALICE, BOB])).toEqual(['192.0.2.7 1700000000', network])
  })

  it('has each address of a network that always may relay, found before a login of the same address', async () => {
    const always = networksOf('192.0.2.4/30', '2001:db8::7:1')
    const file = readCdb(await rendered(eximCdbFormat(64), [ALICE, BOB], always))
    const keys = file.entries().map(([key]) => String(key))
    expect(keys.slice(0, 5)).toEqual(['192.0.2.4', '192.0.2.5', '192.0.2.6', '192.0.2.7', FULL])
    expect(String(file.find(Buffer.from('192.0.2.7')))).toBe('4294967295')
    expect(file.find(Buffer.from('192.0.2.8'))).toBeUndefined()
  })

  it('takes networks to the size of a /16 in all, up to the last address', async () => {
    const always = networksOf('255.255.0.0/16')
    eximCdbFormat(128).check(always)
    const file = readCdb(await rendered(eximCdbFormat(128), [], always))
    expect(file.entries()).toHaveLength(65_536)
    expect(String(file.find(Buffer.from('255.255.255.255')))).toBe('4294967295')
  })

  it.each([['10.0.0.0/8'], ['10.0.0.0/16', '192.0.2.1'], ['2001:db8::/64'], ['2001:db8::/127'], ['0.0.0.0/0']])(
    'refuses what it cannot say exactly: %s',
    (...texts) => {
      expect(() => eximCdbFormat(64).check(networksOf(...texts))).toThrow(UsageError)
    },
  )
})
