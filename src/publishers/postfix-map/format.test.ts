import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import { keyOfAddress, keySlices, keysOfNetwork, requireWholeAddresses } from './format.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const network = (text: string) => parseNetwork(text) ?? expect.fail(text)

describe('keys of a Postfix map', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::1', '::1'],
    ['::2:1', '::0.2.0.1'],
    ['::c000:201', '::192.0.2.1'],
    ['::1:c000:201', '::1:c000:201'],
    ['1::c000:201', '1::c000:201'],
  ])('%s is %s, as inet_ntop writes it', (text, key) => expect(keyOfAddress(address(text))).toBe(key))

  it('say a network address by address', () => {
    expect([...keysOfNetwork(network('192.0.2.254/31'))]).toEqual(['192.0.2.254', '192.0.2.255'])
    expect([...keysOfNetwork(network('2001:db8::fffe/127'))]).toEqual(['2001:db8::fffe', '2001:db8::ffff'])
    expect([...keysOfNetwork(network('10.1.0.0/16'))]).toHaveLength(65_536)
    expect([...keysOfNetwork(network('2001:db8::7'))]).toEqual(['2001:db8::7'])
  })

  it.each(['10.0.0.0/15', '10.0.0.0/8', '2001:db8::/64', '::/0', '0.0.0.0/0'])('refuse %s', (text) => {
    expect(() => [...keysOfNetwork(network(text))]).toThrow(`cannot write ${text} into a Postfix map`)
  })

  it('refuse logins that open networks', () => {
    expect(() => requireWholeAddresses(64)).toThrow('ipv6_prefix: 64')
    expect(() => requireWholeAddresses(128)).not.toThrow()
  })

  it('are none twice, where a client is in a network that is always open', async () => {
    const slices = (async function* () {
      yield [{ address: address('192.0.2.1') }, { address: address('192.0.2.4') }] as Authorization[]
    })()
    const keys: string[] = []
    const always = [network('192.0.2.0/31'), network('192.0.2.1')]
    for await (const slice of keySlices(slices, always)) keys.push(...slice)
    expect(keys).toEqual(['192.0.2.0', '192.0.2.1', '192.0.2.4'])
  })

  it('go through the pattern of docs/postfix.md whole, and names do not', () => {
    const page = readFileSync(new URL('../../../docs/postfix.md', import.meta.url), 'utf8')
    const [, written = ''] = /regexp:\{ \{ \/(.*?)\/ \$\$1 \} \}/.exec(page) ?? expect.fail('no pattern')
    const pattern = new RegExp(written.replaceAll('$$', '$'))
    for (const key of ['192.0.2.1', '2001:db8::1', '::192.0.2.1']) expect(pattern.exec(key)?.[1]).toBe(key)
    for (const name of ['unknown', 'mx.example.net', '192.0.2.1.example.net', ''])
      expect(pattern.test(name)).toBe(false)
  })
})
