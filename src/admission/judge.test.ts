import { describe, expect, it } from 'vitest'
import type { UserLogin } from '../core/authorization.ts'
import { type ClientAddress, type Network, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import { type AddressFacts, type DecisionView, type JudgeContext, judge } from './judge.ts'
import { NetworkSet } from './network-set.ts'

const NOW = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const WINDOW = 30 * MINUTE
const HOST = parseClientAddress('192.0.2.1') as ClientAddress
const nets = (...texts: string[]) =>
  NetworkSet.of(
    texts.map((text) => parseNetwork(text) as Network),
    'test',
  )

interface Setting {
  never?: boolean
  blocked?: boolean
  veto?: boolean
  always?: boolean
  allowedUntil?: number
  blockedUsers?: string[]
  voidUntil?: number
  usersPerAddress?: number
}

function contextOf(setting: Setting): JudgeContext {
  const decisions: DecisionView = {
    allowedUntil: (_, atMs) => ((setting.allowedUntil ?? -Infinity) > atMs ? setting.allowedUntil : undefined),
    isAddressBlocked: () => setting.blocked ?? false,
    isUserBlocked: (user) => setting.blockedUsers?.includes(user) ?? false,
    voidUntil: () => setting.voidUntil ?? -Infinity,
  }
  const policy = {
    windowMs: WINDOW,
    addressesPerUser: 10,
    usersPerAddress: setting.usersPerAddress ?? 20,
    maxAddresses: 10,
    ipv6Prefix: 128,
    never: nets(...(setting.never ? ['192.0.2.0/24'] : [])),
    always: nets(...(setting.always ? ['192.0.2.0/24'] : [])),
    staticVeto: () => (setting.veto ? 'Connect:192.0.2 REJECT' : undefined),
  }
  return { policy, decisions }
}

const user = (name: string, lastMs: number, refused = false): UserLogin => ({
  user: name,
  lastMs,
  firstMs: lastMs,
  service: 'imap',
  server: 'dovecot',
  refused,
})
const facts = (...users: UserLogin[]): AddressFacts => ({ address: HOST, users })
const reason = (record: AddressFacts | undefined, setting: Setting, atMs = NOW) => {
  const verdict = judge(HOST, record, contextOf(setting), atMs)
  return `${verdict.authorized ? 'yes' : 'no'} ${verdict.reason}`
}

describe('the order of the rules', () => {
  const all: Setting = { never: true, blocked: true, veto: true, always: true, allowedUntil: NOW + 1 }
  const login = facts(user('bob', NOW))
  it.each<[string, Setting]>([
    ['no never', all],
    ['no blocked', { ...all, never: false }],
    ['no static', { ...all, never: false, blocked: false }],
    ['yes always', { ...all, never: false, blocked: false, veto: false }],
    ['yes login', { allowedUntil: NOW + 1 }],
    ['yes allowed', { allowedUntil: NOW + WINDOW + 1 }],
    ['yes login', {}],
  ])('%s', (expected, setting) => {
    expect(reason(login, setting)).toBe(expected)
  })

  it('an allow or always network needs no login', () => {
    expect(reason(undefined, { allowedUntil: NOW + 1 })).toBe('yes allowed')
    expect(reason(undefined, { always: true })).toBe('yes always')
    expect(reason(undefined, {})).toBe('no unknown')
  })
})

describe('a login', () => {
  it.each([
    [-5 * MINUTE - 1, 'no ahead_of_clock'],
    [-5 * MINUTE, 'yes login'],
    [0, 'yes login'],
    [WINDOW - 1, 'yes login'],
    [WINDOW, 'no expired'],
  ])('at L%+i ms: %s', (later, expected) => {
    expect(reason(facts(user('bob', NOW)), {}, NOW + later)).toBe(expected)
  })

  it('at or before a revocation is void', () => {
    expect(reason(facts(user('bob', NOW)), { voidUntil: NOW })).toBe('no revoked')
    expect(reason(facts(user('bob', NOW)), { voidUntil: NOW - 1 })).toBe('yes login')
  })

  it('of a blocked user opens nothing, of another user beside him it does, for its own time', () => {
    expect(reason(facts(user('bob', NOW)), { blockedUsers: ['bob'] })).toBe('no blocked')
    const both = judge(HOST, facts(user('bob', NOW), user('ann', NOW - 5)), contextOf({ blockedUsers: ['bob'] }), NOW)
    expect(both).toMatchObject({ authorized: true, untilMs: NOW - 5 + WINDOW })
    expect(both.detail).toBe('imap login by ann (dovecot)')
    expect(both.loginMs).toBe(Date.parse('2026-03-01T11:59:59.995Z'))
  })

  it('that a limit refused opens nothing', () => {
    expect(reason(facts(user('bob', NOW, true)), {})).toBe('no too_many_addresses')
  })
})

describe('more users than the limit', () => {
  const three = facts(user('a', NOW), user('b', NOW - 1), user('c', NOW - 2))
  it('close the address, void and blocked ones counted too, until one is over', () => {
    expect(reason(three, { usersPerAddress: 2 })).toBe('no too_many_users')
    expect(reason(three, { usersPerAddress: 2, blockedUsers: ['b', 'c'] })).toBe('no too_many_users')
    expect(reason(three, { usersPerAddress: 3 })).toBe('yes login')
    expect(reason(three, { usersPerAddress: 2 }, NOW + WINDOW - 2)).toBe('yes login')
  })

  it('close it also where the table had no room for one of them', () => {
    expect(reason({ ...three, forgottenMs: NOW - 3 }, { usersPerAddress: 3 })).toBe('no too_many_users')
    expect(reason({ ...three, forgottenMs: NOW - 3 }, { usersPerAddress: 3 }, NOW + WINDOW - 3)).toBe('yes login')
  })
})

describe('networks', () => {
  it('hold addresses of their own family only, the narrowest first', () => {
    const set = new NetworkSet([
      { network: parseNetwork('::/0') as Network, label: 'six' },
      { network: parseNetwork('0.0.0.0/0') as Network, label: 'four' },
      { network: parseNetwork('10.1.0.0/17') as Network, label: 'near' },
      { network: parseNetwork('2001:db8::/33') as Network, label: 'doc' },
    ])
    const labels = ['10.1.127.255', '10.1.128.0', '2001:db8:7fff::', '2001:db8:8000::'].map(
      (text) => set.find(parseClientAddress(text) as ClientAddress)?.label,
    )
    expect(labels).toEqual(['near', 'four', 'doc', 'six'])
  })
})
