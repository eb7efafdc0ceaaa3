import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../../core/authorization.ts'
import { type ClientAddress, type Network, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import {
  changesScript,
  disjointNetworks,
  networksScript,
  presenceScript,
  type SetElement,
  wholeScript,
} from './format.ts'

const NOW_MS = 1_700_000_000_000
const sets = {
  ipv4: 'inet filter popauthd4',
  ipv6: 'inet filter popauthd6',
  alwaysIpv4: 'inet filter popauthd4_always',
  alwaysIpv6: 'inet filter popauthd6_always',
}
const address = (text: string) => parseClientAddress(text) as ClientAddress
const network = (text: string) => parseNetwork(text) as Network
const authorization = (text: string, leftMs?: number): Authorization => ({
  address: address(text),
  reason: 'login',
  users: [],
  ...(leftMs === undefined ? {} : { untilMs: NOW_MS + leftMs }),
})
const change = (kind: TableChange['kind'], text: string, leftMs?: number): TableChange => ({
  kind,
  address: address(text),
  atMs: NOW_MS,
  reason: 'login',
  ...(leftMs === undefined ? {} : { untilMs: NOW_MS + leftMs }),
})

async function* inSlices(authorizations: readonly Authorization[], size: number) {
  for (let at = 0; at < authorizations.length; at += size) yield authorizations.slice(at, at + size)
}

async function whole(authorizations: readonly Authorization[], size = 2, seen: SetElement[] = []) {
  const pieces: string[] = []
  for await (const piece of wholeScript(
    inSlices(authorizations, size),
    sets,
    () => NOW_MS,
    (of) => seen.push(of),
  ))
    pieces.push(piece)
  return pieces
}

describe('the whole table', () => {
  it('empties each set and fills it, in the order of the table', async () => {
    const table = [
      authorization('::5', 60_000),
      authorization('192.0.2.1', 1_800_000),
      authorization('192.0.2.2', 1500),
      authorization('192.0.2.3'),
      authorization('2001:db8::1', 604_800_005),
    ]
    expect((await whole(table)).join('')).toBe(`flush set inet filter popauthd6
add element inet filter popauthd6 {
::5 timeout 60s0ms
}
flush set inet filter popauthd4
add element inet filter popauthd4 {
192.0.2.1 timeout 1800s0ms,
192.0.2.2 timeout 1s500ms,
192.0.2.3
}
add element inet filter popauthd6 {
2001:db8::1 timeout 604800s5ms
}
`)
  })

  it('empties both sets for an empty table', async () => {
    expect((await whole([])).join('')).toBe('flush set inet filter popauthd4\nflush set inet filter popauthd6\n')
  })

  it('leaves out what ends within a second: a timeout of nothing would be for ever', async () => {
    const table = [0, -1, -5000, 1, 999, Number.NaN].map((leftMs, index) => authorization(`192.0.2.${index}`, leftMs))
    expect((await whole(table)).join('')).not.toContain('192.0.2.')
  })

  it('gives a far end as the longest that nft reads', async () => {
    expect((await whole([authorization('192.0.2.1', 1e13)])).join('')).toContain('192.0.2.1 timeout 99999999s0ms')
  })

  it('tells of each element that it wrote', async () => {
    const seen: SetElement[] = []
    await whole([authorization('192.0.2.1', 5000), authorization('192.0.2.2', 1), authorization('::1:5')], 1, seen)
    expect(seen).toEqual([
      { set: sets.ipv4, address: '192.0.2.1', untilMs: NOW_MS + 5000 },
      { set: sets.ipv6, address: '::1:5', untilMs: undefined },
    ])
  })

  it('has an open brace wherever the pieces of a set stop early', async () => {
    const table = Array.from({ length: 9 }, (_, index) => authorization(`192.0.2.${index}`, 60_000))
    const pieces = await whole(table)
    for (let count = 1; count < pieces.length; count++) {
      const text = pieces.slice(0, count).join('')
      expect(text.split('{').length).toBe(text.split('}').length + 1)
    }
  })

  it('writes the same whatever the size of the slices', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 255 })),
        fc.integer({ min: 1, max: 9 }),
        async (ends, size) => {
          const table = ends.map((end) => authorization(end % 3 === 0 ? `2001:db8::${end}` : `192.0.2.${end}`, 60_000))
          expect((await whole(table, size)).join('')).toBe((await whole(table, 1000)).join(''))
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('changes', () => {
  const script = (...changes: TableChange[]) => [...changesScript(changes, sets, () => NOW_MS)].join('')

  it('are added, deleted and added again with their timeout', () => {
    expect(
      script(change('granted', '192.0.2.1', 60_000), change('ended', '192.0.2.2'), change('extended', '::1:5', 9000)),
    ).toBe(`add element inet filter popauthd4 { 192.0.2.1, 192.0.2.2 }
delete element inet filter popauthd4 { 192.0.2.1, 192.0.2.2 }
add element inet filter popauthd4 { 192.0.2.1 timeout 60s0ms }
add element inet filter popauthd6 { ::1:5 }
delete element inet filter popauthd6 { ::1:5 }
add element inet filter popauthd6 { ::1:5 timeout 9s0ms }
`)
  })

  it('only take away what has ended, or ends within a second', () => {
    expect(script(change('ended', '192.0.2.1'), change('granted', '192.0.2.2', 999))).toBe(
      `add element inet filter popauthd4 { 192.0.2.1, 192.0.2.2 }\ndelete element inet filter popauthd4 { 192.0.2.1, 192.0.2.2 }\n`,
    )
  })

  it('of one address: the last counts', () => {
    expect(script(change('granted', '192.0.2.1', 60_000), change('ended', '192.0.2.1'))).not.toContain('timeout')
    expect(script(change('ended', '192.0.2.1'), change('granted', '192.0.2.1', 60_000))).toContain(
      'add element inet filter popauthd4 { 192.0.2.1 timeout 60s0ms }',
    )
  })

  it('come some hundreds at a time', () => {
    const many = Array.from({ length: 1200 }, (_, index) =>
      change('granted', `10.0.${index >> 8}.${index & 255}`, 60_000),
    )
    expect([...changesScript(many, sets, () => NOW_MS)]).toHaveLength(3)
  })

  it('are no script where there are none', () => {
    expect(script()).toBe('')
  })
})

describe('networks that may relay without a login', () => {
  it('are the whole of their set', () => {
    expect(networksScript(sets.alwaysIpv4, [network('192.0.2.0/24'), network('198.51.100.7')])).toBe(
      'flush set inet filter popauthd4_always\nadd element inet filter popauthd4_always { 192.0.2.0/24, 198.51.100.7 }\n',
    )
    expect(networksScript(sets.alwaysIpv4, [])).toBe('flush set inet filter popauthd4_always\n')
  })

  it('never overlap', () => {
    const all = ['192.0.2.5', '192.0.2.0/24', '2001:db8::/48', '2001:db8::/32', '198.51.100.0/25', '192.0.2.0/24'].map(
      network,
    )
    expect(disjointNetworks(all, true).map(({ text }) => text)).toEqual(['192.0.2.0/24', '198.51.100.0/25'])
    expect(disjointNetworks(all, false).map(({ text }) => text)).toEqual(['2001:db8::/32'])
  })

  it('of everything hold one family only', () => {
    const all = [network('::/0'), network('0.0.0.0/0')]
    expect(disjointNetworks(all, true).map(({ text }) => text)).toEqual(['0.0.0.0/0'])
    expect(disjointNetworks(all, false).map(({ text }) => text)).toEqual(['::/0'])
  })
})

it('asks for elements by deleting them, for trial', () => {
  expect(presenceScript([{ set: sets.ipv4, address: address('192.0.2.1') }])).toBe(
    'delete element inet filter popauthd4 { 192.0.2.1 }\n',
  )
})
