import { describe, expect, it } from 'vitest'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import { infoDate, keyOfAddress, keysOfNetwork, parseInfo, renderInfoLine } from './format.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const keys = (text: string, tagged = true) => keysOfNetwork(parseNetwork(text) ?? expect.fail(text), tagged)

describe('keys of addresses', () => {
  it.each([
    ['192.0.2.1', true, 'Connect:192.0.2.1'],
    ['192.0.2.1', false, '192.0.2.1'],
    ['2001:db8::1', true, 'Connect:IPv6:2001:db8:0:0:0:0:0:1'],
    ['2001:0DB8::00a:1', false, 'IPv6:2001:db8:0:0:0:0:a:1'],
    ['::1', true, 'Connect:IPv6:0:0:0:0:0:0:0:1'],
    ['::', true, 'Connect:IPv6:0:0:0:0:0:0:0:0'],
    ['fe80::', true, 'Connect:IPv6:fe80:0:0:0:0:0:0:0'],
    ['1:2:3:4:5:6:7:8', true, 'Connect:IPv6:1:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', true, 'Connect:192.0.2.1'],
  ])('%s (tagged: %s) is %s', (text, tagged, key) => {
    expect(keyOfAddress(address(text), tagged)).toBe(key)
  })
})

describe('keys of networks', () => {
  it.each([
    ['10.0.0.0/8', ['Connect:10']],
    ['192.0.2.0/24', ['Connect:192.0.2']],
    ['192.0.2.7', ['Connect:192.0.2.7']],
    ['2001:db8::/32', ['Connect:IPv6:2001:db8']],
    ['2001:db8:0:1::/64', ['Connect:IPv6:2001:db8:0:1']],
    ['172.16.0.0/14', ['Connect:172.16', 'Connect:172.17', 'Connect:172.18', 'Connect:172.19']],
  ])('%s is %j', (text, expected) => {
    expect(keys(text)).toEqual({ keys: expected })
  })

  it('expands up to 256 keys', () => {
    const expanded = keys('2001:db8:0:100::/56', false)
    expect(expanded).toHaveProperty('keys.length', 256)
    expect(expanded).toHaveProperty('keys.255', 'IPv6:2001:db8:0:1ff')
    expect(keys('0.0.0.0/1')).toHaveProperty('keys.length', 128)
  })

  it('refuses what no reasonable number of keys can say', () => {
    expect(keys('2001:db8::/36')).toHaveProperty('problem', expect.stringContaining('4096 keys'))
    expect(keys('0.0.0.0/0')).toHaveProperty('problem', expect.stringContaining('every address'))
    expect(keys('::/0')).toHaveProperty('problem', expect.stringContaining('every address'))
  })
})

describe('access.info', () => {
  const at = new Date(2024, 2, 6, 8, 29, 3).getTime()

  it('is written as in 2002: date, user, address, Unix time', () => {
    expect(infoDate(at)).toBe('Mar  6 08:29:03')
    expect(renderInfoLine('michelle', address('192.0.2.7'), at)).toBe(
      `Mar  6 08:29:03\tmichelle\t192.0.2.7\t${Math.floor(at / 1000)}\n`,
    )
  })

  it('lets no user name shift the fields', () => {
    const line = renderInfoLine('a\t192.0.2.9\t9999999999\nb', address('192.0.2.7'), at)
    expect(line.split('\t')).toHaveLength(4)
    expect(line.split('\n')).toHaveLength(2)
    expect(parseInfo(line).entries).toMatchObject([
      { user: 'a\\x09192.0.2.9\\x099999999999\\x0ab', address: '192.0.2.7' },
    ])
  })

  it('is read back, and lines that are none are counted', () => {
    const good = 'Mar 26 18:29:32\tmichelle\t192.0.2.7\t985660172\n'
    const bad = [
      'Mar 26 18:29:32\tmichelle\t999.0.2.7\t985660172',
      'Mar 26 18:29:32\tmichelle\t192.0.2.7\t985660172\tmore',
      'Mar 26 18:29:32\t\t192.0.2.7\t985660172',
      'Mar 26 18:29:32\tmichelle\t192.0.2.7\t-1',
      'today\tmichelle\t192.0.2.7\t985660172',
      'garbage',
    ].join('\n')
    expect(parseInfo(good + bad)).toEqual({
      entries: [{ date: 'Mar 26 18:29:32', user: 'michelle', address: '192.0.2.7', unixSeconds: 985660172 }],
      refused: 6,
    })
  })
})
