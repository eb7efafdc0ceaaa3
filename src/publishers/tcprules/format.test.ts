import { describe, expect, it } from 'vitest'
import { readCdb } from '../../../test/support/cdb-reader.ts'
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import type { OwnFiles } from '../own-files.ts'
import { tcprulesFormat } from './format.ts'

const RELAY = '+RELAYCLIENT=\0'

function ownRules(text: string): OwnFiles {
  return { directories: [], identity: async () => '', read: async () => [{ path: '/etc/tcp.smtp', text }] }
}

/** What the file says under a key, where `addresses` have logged in. */
async function rendered(
  text: string | undefined,
  addresses: readonly string[],
  { always = [] as string[], ipv6Prefix = 128 } = {},
) {
  const told: unknown[] = []
  const rules = text === undefined ? undefined : ownRules(text)
  const format = tcprulesFormat({ rules, ipv6Prefix, notice: (_message, fields) => void told.push(fields) })
  async function* slices(): AsyncGenerator<Authorization[]> {
    for (const address of addresses)
      yield [{ address: parseClientAddress(address) as ClientAddress, reason: 'login', users: [] }]
  }
  const networks = always.map((network) => parseNetwork(network) ?? expect.fail(network))
  format.check(networks)
  const pieces: Buffer[] = []
  for await (const piece of format.render(slices(), networks)) pieces.push(Buffer.from(piece))
  const cdb = readCdb(Buffer.concat(pieces))
  return { find: (key: string) => cdb.find(Buffer.from(key))?.toString('latin1'), told }
}

describe('the file for tcpserver', () => {
  it('holds the default, and who has logged in', async () => {
    const { find } = await rendered(undefined, ['192.0.2.7', '2001:db8::7'])
    expect(find('')).toBe('')
    expect(find('192.0.2.7')).toBe(RELAY)
    expect(find('2001:db8::7')).toBe(RELAY)
    expect(find('192.0.2.')).toBeUndefined()
  })

  it('takes over what the rules say of a client, and holds the rules', async () => {
    const { find } = await rendered(':deny\n192.0.2.:allow,DATABYTES="9"\n192.0.2.9:deny', [
      '192.0.2.7',
      '192.0.2.9',
      '198.51.100.1',
    ])
    expect(find('192.0.2.7')).toBe(`+DATABYTES=9\0${RELAY}`)
    expect(find('192.0.2.9')).toBe('D\0')
    expect(find('198.51.100.1')).toBeUndefined()
    expect(find('192.0.2.')).toBe('+DATABYTES=9\0')
    expect(find('')).toBe('D\0')
  })

  it('opens an address that has a rule of its own', async () => {
    const { find } = await rendered('192.0.2.7:allow,X="1"', ['192.0.2.7'])
    expect(find('192.0.2.7')).toBe(`+X=1\0${RELAY}`)
  })

  it('opens the networks of always, what the rules say in them included, and leaves closed what they deny', async () => {
    const text = '192.0.2.:allow,N="1"\n192.0.2.7:allow,X="1"\n192.0.2.8:deny\n192.0.:allow,Y="1"\n198.51.:deny'
    const { find } = await rendered(text, [], {
      always: ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.2/31', '2001:db8:1::/48'],
    })
    expect(find('192.0.2.')).toBe(`+N=1\0${RELAY}`)
    expect(find('192.0.2.7')).toBe(`+X=1\0${RELAY}`)
    expect(find('192.0.2.8')).toBe('D\0')
    expect(find('192.0.')).toBe('+Y=1\0')
    expect(find('198.51.100.')).toBeUndefined()
    expect([find('203.0.113.2'), find('203.0.113.3'), find('203.0.113.4')]).toEqual([RELAY, RELAY, undefined])
    expect(find('2001:db8:1:')).toBe(RELAY)
  })

  it('opens the network of an IPv6 login where it can be said, and tells what cannot', async () => {
    const { find, told } = await rendered('2001:db8:1:9::7:deny', ['2001:db8:1:2::', '2001:db8:1:9::', '2001:db8::'], {
      ipv6Prefix: 64,
    })
    expect(find('2001:db8:1:2:')).toBe(RELAY)
    expect(find('2001:db8:1:9:')).toBeUndefined()
    expect(find('2001:db8::')).toBeUndefined()
    expect(told).toEqual([{ count: 1 }])
  })

  it('refuses what cannot be said', async () => {
    await expect(rendered(undefined, [], { always: ['0.0.0.0/0'] })).rejects.toThrow(/every address/)
    await expect(rendered(undefined, [], { always: ['2001:db8:0:1::/64'] })).rejects.toThrow(/zero/)
    await expect(rendered(undefined, [], { ipv6Prefix: 50 })).rejects.toThrow(/16384 rules/)
    expect((await rendered(undefined, [], { ipv6Prefix: 56 })).told).toEqual([])
  })
})
