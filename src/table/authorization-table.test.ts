/** Logins, limits and policies of the table. */
import { describe, expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import {
  basePolicy,
  clock,
  ip,
  kinds,
  login,
  MINUTE,
  nets,
  reopen,
  START,
  sweepAll,
  table,
  WINDOW,
} from '../../test/support/table-of-test.ts'

it('lets a login count for lookups while it is still being written', async () => {
  let isWritten = false
  const committing = table.commit({ logins: [login('alice', '198.51.100.7', START)] }).then(() => {
    isWritten = true
  })
  for (let i = 0; i < 20; i++) await Promise.resolve() // no turn of the event loop: nothing can have reached the disk
  expect(isWritten).toBe(false)
  expect(table.lookup(ip('198.51.100.7'))).toMatchObject({ authorized: true, reason: 'login' })
  expect(table.lookup(ip('198.51.100.8')).authorized).toBe(false)
  await committing
  expect(table.lookup(ip('198.51.100.7')).authorized).toBe(true)
})

describe('a login', () => {
  it('opens its address for the window from the time of the line', async () => {
    const { changes, outcomes } = await table.commit({ logins: [login('bob', '192.0.2.1', START - 5 * MINUTE)] })
    expect(changes).toEqual([
      {
        kind: 'granted',
        address: '192.0.2.1',
        atMs: START,
        untilMs: START + 25 * MINUTE,
        reason: 'login',
        user: 'bob',
        loginMs: START - 5 * MINUTE,
      },
    ])
    expect(outcomes[0]).toMatchObject({ kind: 'accepted', untilMs: START + 25 * MINUTE })
    clock.set(START + 25 * MINUTE - 1)
    expect(table.lookup(ip('192.0.2.1'))).toMatchObject({ authorized: true, reason: 'login' })
    clock.set(START + 25 * MINUTE)
    expect(table.lookup(ip('192.0.2.1'))).toMatchObject({ authorized: false, reason: 'expired' })
    expect(table.lookup(ip('192.0.2.2'))).toMatchObject({ authorized: false, reason: 'unknown' })
    expect(kinds(await sweepAll())).toEqual(['ended 192.0.2.1'])
    expect(table.stats()).toMatchObject({ addresses: 0, logins: 0 })
    expect(table.nextExpiryMs()).toBeUndefined()
  })

  it('extends when newer, changes nothing when read again or older, and is not stored when over', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    clock.advance(MINUTE)
    const extended = await table.commit({ logins: [login('bob', '192.0.2.1', START + MINUTE)] })
    expect(kinds(extended.changes)).toEqual(['extended 192.0.2.1'])
    const again = await table.commit({
      logins: [
        login('bob', '192.0.2.1', START + MINUTE),
        login('bob', '192.0.2.1', START),
        login('eve', '192.0.2.1', START - WINDOW),
      ],
    })
    expect(again.changes).toEqual([])
    expect(again.outcomes.map(({ kind }) => kind)).toEqual(['repeated', 'repeated', 'stale'])
    expect(table.usersOf(ip('192.0.2.1'))).toEqual([
      {
        user: 'bob',
        lastMs: START + MINUTE,
        firstMs: START,
        service: 'pop3',
        server: 'test',
        refused: false,
      },
    ])
  })

  it('is refused when dated more than five minutes ahead of the clock', async () => {
    const { outcomes } = await table.commit({
      logins: [
        login('bob', '192.0.2.1', START + 5 * MINUTE),
        login('bob', '192.0.2.2', START + 5 * MINUTE + 1),
        login('bob', '192.0.2.3', Number.NaN),
      ],
    })
    expect(outcomes.map((outcome) => ('reason' in outcome ? outcome.reason : outcome.kind))).toEqual([
      'accepted',
      'ahead_of_clock',
      'ahead_of_clock',
    ])
    expect(table.lookup(ip('192.0.2.1')).authorized).toBe(true)
    expect(table.lookup(ip('192.0.2.2')).authorized).toBe(false)
    clock.set(START - 1)
    expect(table.lookup(ip('192.0.2.1')).authorized).toBe(false)
  })

  it('opens neither a never network nor an address with a static veto', async () => {
    const { outcomes, changes } = await table.commit({
      logins: [login('bob', '127.0.0.1', START), login('bob', '192.0.66.7', START)],
    })
    expect(outcomes.map((outcome) => 'reason' in outcome && outcome.reason)).toEqual(['never', 'static'])
    expect(changes).toEqual([])
    expect(table.lookup(ip('127.0.0.1')).reason).toBe('never')
    expect(table.lookup(ip('192.0.66.7')).reason).toBe('static')
  })

  it('survives a restart with its time and its position', async () => {
    await table.commit({
      logins: [login('bob', '192.0.2.1', START)],
      position: { sourceId: 'file:/x', value: { offset: 7, scanner: { a: [1] } } },
    })
    clock.advance(MINUTE)
    await reopen()
    expect(table.position('file:/x')).toEqual({ offset: 7, scanner: { a: [1] } })
    expect(table.position('file:/y')).toBeUndefined()
    expect(table.lookup(ip('192.0.2.1'))).toMatchObject({ authorized: true, untilMs: START + WINDOW })
    clock.set(START + WINDOW)
    expect(kinds(await sweepAll())).toEqual(['ended 192.0.2.1'])
  })
})

describe('the limits', () => {
  it('close an address with too many users, and open it again when the count falls', async () => {
    await table.commit({ logins: [login('a', '192.0.2.1', START), login('b', '192.0.2.1', START + 1000)] })
    const third = await table.commit({ logins: [login('c', '192.0.2.1', START + 2000)] })
    expect(kinds(third.changes)).toEqual(['ended 192.0.2.1'])
    expect(third.outcomes[0]).toMatchObject({ kind: 'refused', reason: 'too_many_users' })
    const more = ['d', 'e', 'f'].map((user, i) => login(user, '192.0.2.1', START + 3000 + i))
    expect((await table.commit({ logins: more })).changes).toEqual([])
    expect(table.usersOf(ip('192.0.2.1')).map(({ user }) => user)).toEqual(['f', 'e', 'd'])
    expect(table.addressesOf('a')).toEqual([])
    clock.set(START + WINDOW + 3000)
    expect(kinds(await sweepAll())).toEqual(['granted 192.0.2.1'])
  })

  it('do not open an address by a higher limit while forgotten users may still be in time', async () => {
    const logins = ['a', 'b', 'c', 'd', 'e'].map((user, i) => login(user, '192.0.2.1', START + i))
    await table.commit({ logins })
    expect(await table.reconfigure({ ...basePolicy, usersPerAddress: 3 })).toEqual([])
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('too_many_users')
  })

  it('refuse a user with too many addresses, also when the lines are read again', async () => {
    const logins = [1, 2, 3, 4].map((n) => login('bob', `192.0.2.${n}`, START + n))
    const { outcomes } = await table.commit({ logins })
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted', 'refused'])
    clock.set(START + WINDOW + 3)
    await sweepAll()
    const again = await table.commit({ logins })
    expect(again.outcomes.map(({ kind }) => kind)).toEqual(['stale', 'stale', 'stale', 'repeated'])
    expect(table.lookup(ip('192.0.2.4')).reason).toBe('too_many_addresses')
    const newer = await table.commit({ logins: [login('bob', '192.0.2.4', START + WINDOW)] })
    expect(kinds(newer.changes)).toEqual(['granted 192.0.2.4'])
  })

  it('remember a bounded number of refusals, and still refuse the same lines read again', async () => {
    const logins = Array.from({ length: 60 }, (_, n) => login('bob', `192.0.2.${n + 1}`, START + n))
    await table.commit({ logins })
    expect(table.stats().addresses).toBe(3 + 9)
    clock.set(START + WINDOW + 20)
    await sweepAll()
    const again = await table.commit({ logins })
    expect(again.outcomes.filter(({ kind }) => kind === 'accepted')).toEqual([])
    expect((await authorizationsOf(table)).map(({ reason }) => reason)).toEqual(['always'])
    clock.set(START + WINDOW + 60)
    await sweepAll()
    expect(table.stats()).toMatchObject({ addresses: 0, logins: 0 })
    expect(table.nextExpiryMs()).toBeUndefined()
  })

  it('bound the table as a whole', async () => {
    await reopen({ ...basePolicy, maxAddresses: 2 })
    const logins = ['a', 'b', 'c'].map((user, n) => login(user, `192.0.2.${n}`, START))
    const { outcomes } = await table.commit({ logins })
    expect(outcomes[2]).toMatchObject({ kind: 'refused', reason: 'table_full' })
    expect((await table.commit({ logins: [login('a', '192.0.2.0', START + 1)] })).outcomes[0]?.kind).toBe('accepted')
  })
})

describe('a new policy', () => {
  it('applies at once and tells what it changed', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START - 20 * MINUTE), login('ann', '192.0.2.2', START)] })
    await reopen()
    const shorter = await table.reconfigure({ ...basePolicy, windowMs: 10 * MINUTE, always: nets('192.0.2.77') })
    expect(kinds(shorter)).toEqual([
      'ended 192.0.2.1',
      'ended 198.51.100.200',
      'extended 192.0.2.2',
      'granted 192.0.2.77',
    ])
    const never = await table.reconfigure({ ...basePolicy, never: nets('192.0.2.0/24') })
    expect(kinds(never)).toEqual(['ended 192.0.2.2', 'ended 192.0.2.77', 'granted 198.51.100.200'])
    expect(kinds(await table.reconfigure(basePolicy))).toEqual(['granted 192.0.2.1', 'granted 192.0.2.2'])
  })

  it('tells the end of what was open at the start and was never written since', async () => {
    await reopen({ ...basePolicy, usersPerAddress: 1 })
    await table.commit({ logins: [login('a', '192.0.2.1', START), login('b', '192.0.2.1', START + 1)] })
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('too_many_users')
    await reopen()
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('login')
    clock.set(START + WINDOW + 1)
    expect(kinds(await sweepAll())).toEqual(['ended 192.0.2.1'])
  })

  it('notices a clock that goes back, and forward again', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    clock.set(START - 10 * MINUTE)
    expect(kinds(await table.sweep())).toEqual(['ended 192.0.2.1'])
    expect(table.nextExpiryMs()).toBe(START - 5 * MINUTE)
    clock.set(START - 5 * MINUTE)
    expect(kinds(await table.sweep())).toEqual(['granted 192.0.2.1'])
  })
})

describe('ipv6_prefix', () => {
  const policy = { ...basePolicy, ipv6Prefix: 64, never: nets('2001:db8:1::1') }

  it('opens the network of a login, but lists none that holds a never address', async () => {
    await reopen(policy)
    const { changes } = await table.commit({
      logins: [login('bob', '2001:db8::5', START), login('ann', '2001:db8:1::7', START)],
    })
    expect(kinds(changes)).toEqual(['granted 2001:db8::'])
    expect(table.lookup(ip('2001:db8::ffff')).authorized).toBe(true)
    expect(table.lookup(ip('2001:db8:0:1::5')).authorized).toBe(false)
    expect(table.lookup(ip('2001:db8:1::8')).authorized).toBe(true)
    expect(table.lookup(ip('2001:db8:1::1')).reason).toBe('never')
  })

  it('is carried over when it gets shorter; when it gets longer nothing stays open by guess', async () => {
    await table.commit({ logins: [login('bob', '2001:db8::5', START), login('ann', '2001:db8::6', START + 1)] })
    await reopen(policy)
    expect(table.usersOf(ip('2001:db8::')).map(({ user }) => user)).toEqual(['ann', 'bob'])
    expect(table.addressesOf('bob').map(({ address }) => address)).toEqual(['2001:db8::'])
    await reopen()
    expect(table.stats()).toMatchObject({ addresses: 0, logins: 0 })
    expect(table.nextExpiryMs()).toBeUndefined()
  })
})
