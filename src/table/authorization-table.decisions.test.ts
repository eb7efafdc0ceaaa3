/** What an operator decides, in the table. */
import { describe, expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import { clock, ip, kinds, login, MINUTE, reopen, START, sweepAll, table } from '../../test/support/table-of-test.ts'

describe('decisions', () => {
  it('revoke voids what was seen, for good, and the next login opens again', async () => {
    const old = login('bob', '192.0.2.1', START + MINUTE)
    await table.commit({ logins: [old] })
    const { changes, stillOpen } = await table.applyDecision({ kind: 'revoke', atMs: START, address: ip('192.0.2.1') })
    expect(kinds(changes)).toEqual(['ended 192.0.2.1'])
    expect(stillOpen).toEqual([])
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('revoked')
    await reopen()
    await table.commit({ logins: [old, login('eve', '192.0.2.1', START)] })
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('revoked')
    const next = await table.commit({ logins: [login('bob', '192.0.2.1', START + MINUTE + 1)] })
    expect(kinds(next.changes)).toEqual(['granted 192.0.2.1'])
  })

  it('revoke of a user names who holds the addresses open', async () => {
    await table.commit({
      logins: [
        login('bob', '192.0.2.1', START),
        login('ann', '192.0.2.1', START - 1),
        login('bob', '192.0.2.2', START),
      ],
    })
    const { changes, stillOpen } = await table.applyDecision({ kind: 'revoke', atMs: START, user: 'bob' })
    expect(kinds(changes)).toEqual(['ended 192.0.2.2', 'extended 192.0.2.1'])
    expect(stillOpen.map(({ address, users }) => [address, users.map(({ user }) => user)])).toEqual([
      ['192.0.2.1', ['ann']],
    ])
  })

  it('block beats allow and login, ends by itself, and is taken back by allow', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    const blocked = await table.applyDecision({
      kind: 'block',
      atMs: START,
      untilMs: START + MINUTE,
      address: ip('192.0.2.1'),
    })
    expect(kinds(blocked.changes)).toEqual(['ended 192.0.2.1'])
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('blocked')
    expect(table.nextExpiryMs()).toBe(START + MINUTE)
    clock.advance(MINUTE)
    expect(kinds(await sweepAll())).toEqual(['granted 192.0.2.1'])
    await table.applyDecision({ kind: 'block', atMs: clock.now(), user: 'bob' })
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('blocked')
    const allowed = await table.applyDecision({ kind: 'allow', atMs: clock.now(), user: 'bob' })
    expect(allowed.replaced).toMatchObject([{ kind: 'block', user: 'bob' }])
    expect(kinds(allowed.changes)).toEqual(['granted 192.0.2.1'])
    expect(table.decisions()).toEqual([])
  })

  it('allow opens an address that never logged in, until its end', async () => {
    const decision = { kind: 'allow', atMs: START, untilMs: START + MINUTE, address: ip('192.0.2.9') } as const
    expect(kinds((await table.applyDecision(decision)).changes)).toEqual(['granted 192.0.2.9'])
    expect((await authorizationsOf(table)).map(({ address, reason }) => [address, reason])).toEqual([
      ['192.0.2.9', 'allowed'],
      ['198.51.100.200', 'always'],
    ])
    await reopen()
    clock.advance(MINUTE)
    expect(table.lookup(ip('192.0.2.9')).authorized).toBe(false)
    expect(kinds(await sweepAll())).toEqual(['ended 192.0.2.9'])
    expect(await table.sweep()).toEqual([])
    expect(table.stats().addresses).toBe(0)
  })

  it('flush closes everything that logins opened, also for a log that is read again', async () => {
    const logins = [login('bob', '192.0.2.1', START + MINUTE), login('ann', '192.0.2.2', START)]
    await table.commit({ logins })
    await table.applyDecision({ kind: 'allow', atMs: START, address: ip('192.0.2.2') })
    const { changes, stillOpen } = await table.flush()
    expect(kinds(changes)).toEqual(['ended 192.0.2.1'])
    expect(stillOpen.map(({ address }) => address)).toEqual(['192.0.2.2', '198.51.100.200'])
    await reopen()
    await table.commit({ logins })
    expect(table.lookup(ip('192.0.2.1')).reason).toBe('revoked')
    expect(table.lookup(ip('192.0.2.2')).reason).toBe('allowed')
  })
})
