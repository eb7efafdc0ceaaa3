import { expect, it } from 'vitest'
import { partsOfNetwork } from './access-text.ts'
import { type Network, parseNetwork } from './client-address.ts'

it.each([
  ['192.0.2.7', 4, [[192, 0, 2, 7]]],
  ['192.0.2.0/24', 3, [[192, 0, 2]]],
  ['10.0.0.0/8', 1, [[10]]],
  [
    '192.0.2.0/23',
    3,
    [
      [192, 0, 2],
      [192, 0, 3],
    ],
  ],
  ['2001:db8::/32', 2, [[0x2001, 0xdb8]]],
  [
    '2001:db8::fffe/127',
    8,
    [
      [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfffe],
      [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xffff],
    ],
  ],
])('%s begins with %i octets or words', (text, length, lists) => {
  const parts = partsOfNetwork(parseNetwork(text) as Network)
  expect(parts).toMatchObject({ isIPv4: !text.includes(':'), length, count: lists.length })
  expect(parts.all()).toEqual(lists)
})

it('counts without making lists', () => {
  expect(partsOfNetwork(parseNetwork('0.0.0.0/0') as Network)).toMatchObject({ length: 1, count: 256 })
  expect(partsOfNetwork(parseNetwork('::/0') as Network)).toMatchObject({ length: 1, count: 65_536 })
})
