/** Lookups remember what they read: each write must be seen by the next lookup all the same. */
import { beforeEach, expect, it } from 'vitest'
import { basePolicy, clock, ip, login, nets, reopen, START, table, WINDOW } from '../../test/support/table-of-test.ts'

const ADDRESS = ip('198.51.100.7')
const opens = () => table.lookup(ADDRESS).authorized

beforeEach(() => reopen({ ...basePolicy, usersPerAddress: 10, always: nets() }))

it('sees a first login at an address that was unknown when it was asked for', async () => {
  expect(opens()).toBe(false)
  await table.commit({ logins: [login('alice', ADDRESS, START)] })
  expect(opens()).toBe(true)
})

it('sees a later login: what was remembered ends earlier', async () => {
  await table.commit({ logins: [login('alice', ADDRESS, START)] })
  expect(opens()).toBe(true)
  clock.advance(WINDOW - 1000)
  await table.commit({ logins: [login('alice', ADDRESS, START + WINDOW - 1000)] })
  clock.advance(2000)
  expect(opens()).toBe(true)
})

it('sees a logout, also where it asks while that is on its way to the disk', async () => {
  await table.commit({ logins: [login('alice', ADDRESS, START)] })
  expect(opens()).toBe(true)
  const { judged, written } = table.beginCommit({
    logins: [],
    ended: [{ address: ADDRESS, server: 'test', atMs: START }],
  })
  await judged
  expect(opens()).toBe(false)
  await written
  expect(opens()).toBe(false)
})

it('sees that the record of an address is gone', async () => {
  await table.commit({ logins: [login('alice', ADDRESS, START)] })
  expect(opens()).toBe(true)
  clock.advance(WINDOW)
  await table.sweep()
  expect(table.lookup(ADDRESS).reason).toBe('unknown')
})

it('is not stuck at what it saw after each of many logins from one address', async () => {
  for (let n = 0; n < 10; n++) {
    await table.commit({ logins: [login(`user${n}`, ADDRESS, START + n)] })
    expect(table.lookup(ADDRESS).user).toBe(`user${n}`)
  }
})
