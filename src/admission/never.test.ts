import { expect, it } from 'vitest'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import { defaultNeverNetworks, type HostNetworkReaders, sameNetworks } from './never.ts'

const ip = (text: string) => parseClientAddress(text) as ClientAddress
const host: HostNetworkReaders = {
  interfaceAddresses: () => [
    ['lo', '127.0.0.1'],
    ['eth0', '192.0.2.10'],
    ['eth0', '2001:db8::10'],
    ['eth0', 'fe80::1%eth0'],
    ['docker0', '172.17.0.1'],
  ],
  ipv4Routes: () =>
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n' +
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n',
  ipv6Routes: () =>
    '00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n' +
    '00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n',
  isBridge: (name) => name === 'docker0',
}

it.each([
  ['127.0.0.53', 'loopback'],
  ['::1', 'loopback'],
  ['0.0.0.0', 'unspecified'],
  ['::', 'unspecified'],
  ['169.254.1.1', 'link-local'],
  ['fe80::2', 'link-local'],
  ['224.0.0.251', 'multicast'],
  ['ff02::fb', 'multicast'],
  ['192.0.2.10', "the host's own address on eth0"],
  ['2001:db8::10', "the host's own address on eth0"],
  ['172.17.0.1', 'address of the bridge docker0'],
  ['192.0.2.1', 'gateway on eth0'],
  ['2001:db8::1', 'gateway on eth0'],
])('%s is never opened: %s', (address, label) => {
  expect(defaultNeverNetworks(host).find(ip(address))?.label).toBe(label)
})

it.each(['192.0.2.11', '192.168.1.20', '10.0.0.3', '172.17.0.2', '2001:db8::2', '8.8.8.8'])('%s may be opened', (a) => {
  expect(defaultNeverNetworks(host).find(ip(a))).toBeUndefined()
})

it('goes on where the host cannot be read, and with garbage', () => {
  const fail = () => {
    throw new Error('no /proc here')
  }
  const blind = { interfaceAddresses: fail, ipv4Routes: fail, ipv6Routes: fail, isBridge: fail }
  expect(defaultNeverNetworks(blind).find(ip('127.0.0.1'))).toBeDefined()
  const garbage = {
    ...host,
    interfaceAddresses: () => [['x', 'y/z']] as const,
    ipv4Routes: () => 'a\nb\tc\td',
    ipv6Routes: () => 'x y',
  }
  expect(defaultNeverNetworks(garbage).members.length).toBe(defaultNeverNetworks(blind).members.length)
})

it('reads the running host', () => {
  expect(defaultNeverNetworks().find(ip('127.0.0.1'))).toBeDefined()
})

it('tells whether anything changed', () => {
  expect(sameNetworks(defaultNeverNetworks(host), defaultNeverNetworks(host))).toBe(true)
  expect(sameNetworks(defaultNeverNetworks(host), defaultNeverNetworks({ ...host, isBridge: () => false }))).toBe(false)
})
