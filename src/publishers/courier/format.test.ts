import { describe, expect, it } from 'vitest'
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import type { OwnFiles } from '../own-files.ts'
import { courierFormat } from './format.ts'
import { isOperators } from './own-entries.ts'

const TAB = '\t'
const RELAY = `${TAB}allow,RELAYCLIENT`

function ownFiles(text: string): OwnFiles {
  return {
    directories: [],
    identity: async () => '',
    read: async () => [{ path: '/etc/courier/smtpaccess/default', text }],
  }
}

/** The lines of the file, where `addresses` have logged in. */
async function rendered(own: string, addresses: readonly string[], { always = [] as string[], ipv6Prefix = 128 } = {}) {
  const told: unknown[] = []
  const format = courierFormat({ own: ownFiles(own), ipv6Prefix, notice: (_message, fields) => void told.push(fields) })
  async function* slices(): AsyncGenerator<Authorization[]> {
    for (const address of addresses)
      yield [{ address: parseClientAddress(address) as ClientAddress, reason: 'login', users: [] }]
  }
  const networks = always.map((network) => parseNetwork(network) ?? expect.fail(network))
  format.check(networks)
  let text = ''
  for await (const piece of format.render(slices(), networks)) text += piece
  expect(text.startsWith('\n#')).toBe(true)
  return { lines: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')), told }
}

describe('the file for smtpaccess', () => {
  it('has a line for each client', async () => {
    const { lines } = await rendered('', ['192.0.2.7', '2001:db8::7'])
    expect(lines).toEqual([`192.0.2.7${RELAY}`, `:2001:0db8:0000:0000:0000:0000:0000:0007${RELAY}`])
  })

  it('takes over the most specific entry of the operator about a client', async () => {
    const own = `192.0${TAB}allow,A=1\n192.0.2${TAB}allow,BLOCK="550 no, no"\n10${TAB}allow,RELAYCLIENT=@x\n*${TAB}allow,D\n`
    const { lines } = await rendered(own, ['192.0.2.7', '192.0.3.7', '10.1.2.3', '198.51.100.1'])
    expect(lines).toEqual([
      `192.0.2.7${TAB}allow,BLOCK="550 no, no",RELAYCLIENT`,
      `192.0.3.7${TAB}allow,A=1,RELAYCLIENT`,
      `10.1.2.3${TAB}allow,RELAYCLIENT=@x`,
      `198.51.100.1${TAB}allow,D,RELAYCLIENT`,
    ])
  })

  it.each([
    ['the address', `192.0.2.7${TAB}deny`],
    ['a prefix', `192.0${TAB}deny`],
    ['a prefix, with something narrower allowed', `192.0${TAB}deny\n192.0.2${TAB}allow`],
    ['a network', `192.0.2.0/26${TAB}deny`],
    ['a network with a blank for the tab', '192.0.2.0/26 deny'],
    ['a range', `192.0.2.3-192.0.2.9${TAB}deny`],
    ['the default', `*${TAB}deny`],
    ['a spelling that is not found', '192.0.2.7 deny'],
    ['another', `192.0.2.${TAB}deny`],
  ])('leaves out what the operator denies: %s', async (_what, own) => {
    expect((await rendered(own, ['192.0.2.7'])).lines).toEqual([])
  })

  it('leaves out what the operator denies of IPv6', async () => {
    const own = `:2001:0db8:0001${TAB}deny\n2001:db8:2::/47${TAB}deny\n2001:db8:4::1-2001:db8:4::ffff${TAB}deny\n`
    const clients = ['2001:db8:1::7', '2001:db8:2::7', '2001:db8:3::7', '2001:db8:4::7', '2001:db8:5::7']
    const { lines } = await rendered(own, clients)
    expect(lines).toEqual([`:2001:0db8:0005:0000:0000:0000:0000:0007${RELAY}`])
  })

  it('never repeats a key of the operator, or one of its own, for then makedat refuses all', async () => {
    const own = `192.0.2.7${TAB}allow,X\n192.0.2.8${TAB}allow,RELAYCLIENT\n10.0.0.0/23${TAB}allow\n`
    const always = ['10.0.1.0/24', '10.0.2.0/24', '203.0.113.7', '203.0.113.6/31']
    const { lines, told } = await rendered(own, ['192.0.2.7', '192.0.2.8', '203.0.113.7'], { always })
    expect(lines).toEqual([`10.0.2${RELAY}`, `203.0.113.7${RELAY}`, `203.0.113.6${RELAY}`])
    expect(told).toEqual([{ count: 2 }])
  })

  it('opens networks', async () => {
    const { lines } = await rendered('', ['2001:db8:0:2::'], {
      always: ['2001:db8:8::/47', '192.0.2.0/25'],
      ipv6Prefix: 64,
    })
    expect(lines).toHaveLength(131)
    expect(lines).toContain(`192.0.2.127${RELAY}`)
    expect(lines).toContain(`:2001:0db8:0009${RELAY}`)
    expect(lines).toContain(`:2001:0db8:0000:0002${RELAY}`)
  })

  it('refuses what cannot be said', async () => {
    await expect(rendered('', [], { always: ['0.0.0.0/0'] })).rejects.toThrow(/every address/)
    await expect(rendered('', [], { always: ['2001:db8::/36'] })).rejects.toThrow(/4096 keys/)
    await expect(rendered('', [], { ipv6Prefix: 50 })).rejects.toThrow(/16384 keys/)
  })

  it.each([
    ['192.0.2.0/33\tdeny', /no network/],
    ['192.0.2.9-192.0.2.1\tdeny', /no network and no range/],
    ['192.0.2.1-2001:db8::1\tdeny', /no network and no range/],
    ['2001:db8::-2001:db8:ffff:1:1::1\tdeny', /keys/],
    ['.', /single dot/],
  ])('refuses files with %j', async (line, problem) => {
    const refused = rendered(`# mine\n${line}\n`, [])
    await expect(refused).rejects.toThrow(problem)
    await expect(refused).rejects.toThrow(/line 2 of \/etc\/courier\/smtpaccess\/default/)
  })
})

it("the file of popauthd's own in that directory is none of the operator's", () => {
  expect(['default', 'popauthd', 'popauthd~', 'own.dpkg-old', 'popauthd.own'].filter(isOperators)).toEqual([
    'default',
    'popauthd.own',
  ])
})
