/** What the end of a source's logins does to a real table, and what it leaves alone. */

import { beforeEach, describe, expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import {
  basePolicy,
  clock,
  ip,
  login as loginOf,
  nets,
  reopen,
  START,
  table,
  WINDOW,
} from '../../test/support/table-of-test.ts'

const [HERE, THERE] = [ip('198.51.100.7'), ip('198.51.100.8')]
const policy = { ...basePolicy, addressesPerUser: 1, ipv6Prefix: 64, always: nets() }

beforeEach(() => reopen(policy))

/** One login a second later than the one before. */
async function login(user: string, server: string, address = HERE) {
  clock.advance(1000)
  return (await table.commit({ logins: [{ ...loginOf(user, address, clock.now()), server }] })).changes
}
const end = async (address = HERE) =>
  (await table.commit({ logins: [], ended: [{ address, server: 'whoson', atMs: clock.now() }] })).changes
const users = (address = HERE) => table.usersOf(address).map(({ user }) => user)

describe('a LOGOUT', () => {
  it('closes the address, is told once, and leaves other addresses alone', async () => {
    await login('alice', 'whoson')
    await login('bob', 'whoson', THERE)
    expect(await end()).toEqual([{ kind: 'ended', address: HERE, atMs: clock.now(), reason: 'logged_out' }])
    expect(table.lookup(HERE)).toMatchObject({ authorized: false, reason: 'unknown' })
    expect(table.lookup(THERE).authorized).toBe(true)
    expect(await end()).toEqual([])
    expect(table.nextExpiryMs()).toBe(START + 2000 + WINDOW)
  })

  it('ends the logins of all users that the source told of, and none that a log told of', async () => {
    await login('carol', 'dovecot')
    await login('alice', 'whoson')
    expect(await end()).toMatchObject([{ kind: 'extended', untilMs: START + 1000 + WINDOW }])
    expect(users()).toEqual(['carol'])
    expect(table.lookup(HERE)).toMatchObject({ authorized: true, user: 'carol' })
  })

  it('leaves a login of the same user that a log told of later', async () => {
    await login('alice', 'whoson')
    await login('alice', 'dovecot')
    expect(await end()).toEqual([])
    expect(table.lookup(HERE).authorized).toBe(true)
  })

  it('takes the earlier login of a log with the later one of the same user: the table keeps one', async () => {
    await login('alice', 'dovecot')
    await login('alice', 'whoson')
    await end()
    expect(table.lookup(HERE).authorized).toBe(false)
  })

  it('gives the user room for another address, and takes nothing from the next login', async () => {
    await login('alice', 'whoson')
    await end()
    expect(await login('alice', 'whoson', THERE)).toMatchObject([{ kind: 'granted', address: THERE }])
    await end(THERE)
    expect(await login('alice', 'whoson')).toMatchObject([{ kind: 'granted', address: HERE, user: 'alice' }])
  })

  it('does not open an address that has more users than it may', async () => {
    for (const user of ['a', 'b', 'c', 'd']) await login(user, user === 'a' ? 'dovecot' : 'whoson')
    expect(table.lookup(HERE).reason).toBe('too_many_users')
    await end()
    expect(table.lookup(HERE).reason).toBe('too_many_users')
  })

  it('leaves what the operator opened and closed as it is', async () => {
    await login('alice', 'whoson')
    await table.applyDecision({ kind: 'allow', address: HERE, atMs: clock.now(), untilMs: clock.now() + 1000 })
    await end()
    expect(table.lookup(HERE)).toMatchObject({ authorized: true, reason: 'allowed' })
  })

  it('is about the whole IPv6 network that a login opens', async () => {
    const [one, other] = [ip('2001:db8::1'), ip('2001:db8::2')]
    await login('alice', 'whoson', one)
    expect(table.lookup(other).authorized).toBe(true)
    await end(other)
    expect(table.lookup(one).authorized).toBe(false)
  })

  it('stays after a restart', async () => {
    await login('alice', 'whoson')
    await end()
    await reopen(policy)
    expect(table.lookup(HERE).authorized).toBe(false)
    expect(await authorizationsOf(table)).toEqual([])
  })

  it('ends what is still on its way to the disk', async () => {
    const committing = login('alice', 'whoson')
    const [ended] = await Promise.all([end(), committing])
    expect(ended).toMatchObject([{ kind: 'ended', address: HERE }])
    expect(table.lookup(HERE).authorized).toBe(false)
  })
})
