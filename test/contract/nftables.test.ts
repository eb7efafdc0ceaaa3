// The nftables publisher on a real ruleset: timeouts, what an operator's set may lack, and rulesets that others change.
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../../src/core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../../src/core/client-address.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { NftablesPublisher } from '../../src/publishers/nftables/nftables-publisher.ts'
import { labAvailability } from '../support/lab-availability.ts'
import { type Nft, openNft } from '../support/nft.ts'
import { ensureRoot } from '../support/roots.ts'
import { waitFor } from '../support/wait-for.ts'

const unavailable = labAvailability()
const NOW_MS = 1_700_000_000_000
const ROOT_MS = 600_000
const HOUR_MS = 3_600_000
const sets = {
  ipv4: 'inet filter popauthd4',
  ipv6: 'inet filter popauthd6',
  alwaysIpv4: 'inet filter popauthd4_always',
  alwaysIpv6: 'inet filter popauthd6_always',
}
const LOGINS = 'set popauthd4 { type ipv4_addr; flags timeout; }; set popauthd6 { type ipv6_addr; flags timeout; };'
const ALWAYS = `set popauthd4_always { type ipv4_addr; flags interval; }; set popauthd6_always { type ipv6_addr; flags interval; };`
const table = (declarations: string) => `flush ruleset; table inet filter { ${declarations} }\n`
const address = (text: string) => parseClientAddress(text) as ClientAddress
const networks = (...texts: string[]) => texts.map((text) => parseNetwork(text) ?? expect.fail(text))
const authorization = (text: string, leftMs = HOUR_MS): Authorization => ({
  address: address(text),
  reason: 'login',
  users: [],
  untilMs: NOW_MS + leftMs,
})
const change = (kind: TableChange['kind'], text: string, leftMs = HOUR_MS): TableChange => ({
  kind,
  address: address(text),
  atMs: NOW_MS,
  reason: 'login',
  ...(kind === 'ended' ? {} : { untilMs: NOW_MS + leftMs }),
})

/** Counts the timers: each question to nft is followed by one. */
class CountingClock extends ManualClock {
  timers = 0

  override setTimer(delayMs: number, callback: () => void): () => void {
    this.timers++
    return super.setTimer(delayMs, callback)
  }
}

describe.skipIf(unavailable)(`nftables sets${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  const { signal } = new AbortController()
  let nft: Nft & AsyncDisposable
  let clock: CountingClock
  let publisher: NftablesPublisher

  const sync = (...authorizations: Authorization[]) => publisher.resync(() => [authorizations], signal)
  const failure = () =>
    sync().then(
      () => expect.fail('the set was taken'),
      (error: { message: string; mend: string; retryable: boolean }) => error,
    )

  beforeAll(() => ensureRoot('nftables'), ROOT_MS)
  beforeEach(async () => {
    nft = await openNft()
    clock = new CountingClock(NOW_MS)
    publisher = new NftablesPublisher({ name: 'nftables inet filter', sets, command: nft.command, clock })
    await nft.load(table(LOGINS))
  })
  afterEach(async () => {
    await publisher[Symbol.asyncDispose]()
    await nft[Symbol.asyncDispose]()
  })

  it('gives each element what is left of its time', async () => {
    await sync(authorization('192.0.2.1'), authorization('2001:db8::1', 10_000))
    const left = { ...(await nft.secondsLeft(sets.ipv4)), ...(await nft.secondsLeft(sets.ipv6)) }
    expect(left['192.0.2.1']).toBeGreaterThan(3500)
    expect(left['2001:db8::1']).toBeLessThanOrEqual(10)
  })

  it('moves the end of an element, on and back', async () => {
    await sync(authorization('192.0.2.1', 60_000))
    await publisher.publish([change('extended', '192.0.2.1', 2 * HOUR_MS)], () => [], signal)
    expect((await nft.secondsLeft(sets.ipv4))['192.0.2.1']).toBeGreaterThan(7000)
    await publisher.publish([change('extended', '192.0.2.1', 60_000)], () => [], signal)
    expect((await nft.secondsLeft(sets.ipv4))['192.0.2.1']).toBeLessThanOrEqual(60)
  })

  it('lets the kernel take away what has run out', async () => {
    await sync(authorization('192.0.2.1', 1500), authorization('192.0.2.2'))
    await waitFor('the element to run out', async () => {
      return (await nft.elements(sets.ipv4)).join() === '192.0.2.2' || undefined
    })
  })

  it('fills tens of thousands in one go', async () => {
    const many = Array.from({ length: 30_000 }, (_, index) => authorization(`10.1.${index >> 8}.${index & 255}`))
    await publisher.resync(() => [many], signal)
    expect(await nft.elements(sets.ipv4)).toHaveLength(30_000)
  })

  it('leaves the sets as they were where it is given up in the middle', async () => {
    await sync(authorization('192.0.2.1'))
    const given = new AbortController()
    const endless = function* () {
      for (let index = 0; ; index++) {
        if (index === 20_000) given.abort()
        yield [authorization(`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`)]
      }
    }
    await expect(publisher.resync(endless, given.signal)).rejects.toThrow()
    expect(await nft.elements(sets.ipv4)).toEqual(['192.0.2.1'])
  })

  it('keeps networks that need no login in sets of their own', async () => {
    await nft.load(table(LOGINS + ALWAYS))
    publisher.setAlways(networks('203.0.113.0/24', '203.0.113.7', '2001:db8:5::/48', '198.51.100.1'))
    await sync(authorization('192.0.2.1'))
    expect(await nft.elements(sets.alwaysIpv4)).toEqual(['198.51.100.1', '203.0.113.0/24'])
    expect(await nft.elements(sets.alwaysIpv6)).toEqual(['2001:db8:5::/48'])
    expect(await nft.elements(sets.ipv4)).toEqual(['192.0.2.1'])
    publisher.setAlways(networks('203.0.113.0/25', '203.0.113.128/26'))
    await sync(authorization('192.0.2.1'))
    expect(await nft.elements(sets.alwaysIpv4)).toEqual(['203.0.113.0/25', '203.0.113.128/26'])
    expect(await nft.elements(sets.alwaysIpv6)).toEqual([])
    await publisher.closeAll(signal)
    expect(await nft.elements(sets.alwaysIpv4)).toEqual([])
  })

  it('is closed where the ruleset is gone', async () => {
    await sync(authorization('192.0.2.1'))
    await nft.load('flush ruleset\n')
    await publisher.closeAll(signal)
  })

  describe('says what is lacking', () => {
    it('where there is no set', async () => {
      await nft.load(table('set popauthd4 { type ipv4_addr; flags timeout; };'))
      const { message, mend, retryable } = await failure()
      expect(message).toBe('cannot keep the nftables set inet filter popauthd6: there is no such set')
      expect(retryable).toBe(true)
      // The mend is what it says: the line works as it stands.
      await nft.load(`${/nft '(.*)'/.exec(mend)?.[1]}\n`)
      await sync(authorization('2001:db8::1'))
      expect(await nft.elements(sets.ipv6)).toEqual(['2001:db8::1'])
    })

    it('where there is no table', async () => {
      await nft.load('flush ruleset\n')
      const { message, mend } = await failure()
      expect(message).toBe('cannot keep the nftables set inet filter popauthd4: there is no such set')
      await nft.load(`${/nft '(.*)'/.exec(mend)?.[1]}\n`)
      expect(await nft.elements(sets.ipv4)).toEqual([])
    })

    it.each([
      ['flags timeout', 'set popauthd4 { type ipv4_addr; };', 'it takes no timeouts'],
      ['the right type', 'set popauthd4 { type ipv6_addr; flags timeout; };', 'it is not of type ipv4_addr'],
      [
        'anything but flags interval',
        'set popauthd4 { type ipv4_addr; flags interval, timeout; auto-merge; };',
        'it has "flags interval", in which neighbors may share one timeout',
      ],
    ])('where a set has not %s', async (_what, declaration, problem) => {
      await nft.load(table(declaration))
      const { message, mend } = await failure()
      expect(message).toBe(`cannot keep the nftables set inet filter popauthd4: ${problem}`)
      expect(mend).toContain('set popauthd4 { type ipv4_addr; flags timeout; }')
    })

    it('where a set of networks takes none', async () => {
      await nft.load(table(`${LOGINS} set popauthd4_always { type ipv4_addr; };`))
      publisher.setAlways(networks('203.0.113.0/24'))
      const { message, mend } = await failure()
      expect(message).toBe('cannot keep the nftables set inet filter popauthd4_always: it takes no networks')
      expect(mend).toContain('set popauthd4_always { type ipv4_addr; flags interval; }')
    })

    it('where there is no set for networks', async () => {
      publisher.setAlways(networks('203.0.113.0/24'))
      const { message } = await failure()
      expect(message).toBe('cannot keep the nftables set inet filter popauthd4_always: there is no such set')
    })

    it('where a set is full, and leaves it as it was', async () => {
      await nft.load(
        table(
          'set popauthd4 { type ipv4_addr; flags timeout; size 3; }; set popauthd6 { type ipv6_addr; flags timeout; };',
        ),
      )
      await sync(authorization('192.0.2.1'))
      const many = ['192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5'].map((text) => authorization(text))
      await expect(sync(...many)).rejects.toThrow('one of the sets is full')
      expect(await nft.elements(sets.ipv4)).toEqual(['192.0.2.1'])
    })

    it('where popauthd may not change the firewall, which one capability mends', async () => {
      const as = (...rights: string[]) => {
        const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...rights]
        const command = [...nft.command.slice(0, -1), ...nobody, 'nft']
        return new NftablesPublisher({ name: 'sets', sets, command, clock })
      }
      const one = () => [[authorization('192.0.2.1')]]
      await expect(as().resync(one, signal)).rejects.toThrow('popauthd may not change the firewall')
      const only = [
        '--inh-caps',
        '-all,+net_admin',
        '--ambient-caps',
        '-all,+net_admin',
        '--bounding-set',
        '-all,+net_admin',
      ]
      await as(...only).resync(one, signal)
      expect(await nft.elements(sets.ipv4)).toEqual(['192.0.2.1'])
    })
  })

  describe('a ruleset that others change', () => {
    let noticed = 0
    const polled = async () => {
      const [before, asked] = [noticed, clock.timers]
      clock.advance(5000)
      await waitFor('nft to answer', () => clock.timers > asked || undefined)
      return noticed > before
    }

    it('is noticed where it was loaded anew', async () => {
      publisher.watch(() => void noticed++)
      await sync(authorization('192.0.2.1'), authorization('2001:db8::1'))
      expect(await polled()).toBe(false)
      await nft.load(table(LOGINS))
      expect(await polled()).toBe(true)
      await sync(authorization('192.0.2.1'), authorization('2001:db8::1'))
      expect(await polled()).toBe(false)
      await nft.load('flush set inet filter popauthd6\n')
      expect(await polled()).toBe(true)
    })
  })
})
