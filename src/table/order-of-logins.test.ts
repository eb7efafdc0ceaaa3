/** Properties: the state is a function of dated events, whatever the order and number of readings. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { authorizationsOf } from '../../test/support/authorizations.ts'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const START = Date.UTC(2026, 2, 1, 12)
const WINDOW = 1000
const ADDRESSES = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((text) => parseClientAddress(text) as ClientAddress)
const USERS = ['a', 'b', 'c', 'd', 'e']
const policy: AdmissionPolicy = {
  windowMs: WINDOW,
  addressesPerUser: 10,
  usersPerAddress: 2,
  maxAddresses: 100,
  ipv6Prefix: 128,
  never: new NetworkSet([]),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}
const logins = fc.array(
  fc.record({
    user: fc.constantFrom(...USERS),
    address: fc.constantFrom(...ADDRESSES),
    service: fc.constant('pop3' as const),
    server: fc.constant('test'),
    atMs: fc.integer({ min: START - 2 * WINDOW, max: START }),
  }),
  { maxLength: 30 },
)

/** Runs with a fresh table. */
async function withTable<T>(clock: ManualClock, action: (table: AuthorizationTable) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'popauthd-order-'))
  const table = await AuthorizationTable.open({ directory, clock, policy })
  try {
    return await action(table)
  } finally {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  }
}

/** What an MTA is told of every address at several instants from now on. */
function answers(table: AuthorizationTable, clock: ManualClock): unknown[] {
  const nowMs = clock.now()
  const found = [0, 100, 500, WINDOW - 1, WINDOW].flatMap((later) => {
    clock.set(nowMs + later)
    return ADDRESSES.map((address) => {
      const { authorized, untilMs } = table.lookup(address)
      return [later, address, authorized, untilMs]
    })
  })
  clock.set(nowMs)
  return found
}

/** The rule itself, over all logins. */
function expected(all: readonly Login[], nowMs: number): unknown[] {
  return [0, 100, 500, WINDOW - 1, WINDOW].flatMap((later) =>
    ADDRESSES.map((address) => {
      const last = new Map<string, number>()
      for (const { user, address: at, atMs } of all) {
        if (at === address) last.set(user, Math.max(atMs, last.get(user) ?? -Infinity))
      }
      const inTime = [...last.values()].filter((atMs) => nowMs + later < atMs + WINDOW)
      const authorized = inTime.length > 0 && inTime.length <= policy.usersPerAddress
      return [later, address, authorized, authorized ? Math.max(...inTime) + WINDOW : undefined]
    }),
  )
}

it('any order, grouping and repetition of logins gives the answers that the rule gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      logins,
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.integer({ min: 1, max: 7 }),
      async (all, picks, size) => {
        const clock = new ManualClock(START)
        const again = all.length === 0 ? [] : picks.map((pick) => all[pick % all.length] as Login)
        const order = [...again, ...all, ...again].sort((a, b) => ((a.atMs * 7919) % 97) - ((b.atMs * 7919) % 97))
        await withTable(clock, async (table) => {
          for (let i = 0; i < order.length; i += size) await table.commit({ logins: order.slice(i, i + size) })
          expect(answers(table, clock)).toEqual(expected(all, START))
        })
      },
    ),
    { numRuns: 10 },
  )
})

it('reading everything again later extends nobody, and brings nobody back after a revocation', async () => {
  const revocations = fc.array(fc.oneof(fc.constantFrom(...ADDRESSES), fc.constantFrom(...USERS)), { maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(logins, revocations, fc.nat(WINDOW), fc.boolean(), async (all, subjects, later, sweeps) => {
      const clock = new ManualClock(START)
      await withTable(clock, async (table) => {
        await table.commit({ logins: all })
        for (const subject of subjects) {
          const of = USERS.includes(subject) ? { user: subject } : { address: subject as ClientAddress }
          await table.applyDecision({ kind: 'revoke', atMs: START, ...of })
        }
        const before = answers(table, clock)
        const open = ADDRESSES.filter((address) => table.lookup(address).authorized)
        for (const address of open) expect(subjects).not.toContain(address)
        clock.advance(later)
        if (sweeps) await table.sweep()
        const then = answers(table, clock)
        await table.commit({ logins: all })
        expect(answers(table, clock)).toEqual(then)
        clock.set(START)
        if (!sweeps) expect(answers(table, clock)).toEqual(before)
      })
    }),
    { numRuns: 10 },
  )
})

it('what is told in changes adds up to what lookups say', async () => {
  const step = fc.oneof(
    logins.map((all) => ({ kind: 'logins' as const, all })),
    fc.nat(WINDOW).map((ms) => ({ kind: 'advance' as const, ms })),
    fc.record({
      kind: fc.constantFrom('allow' as const, 'block' as const, 'revoke' as const),
      address: fc.constantFrom(...ADDRESSES),
      forMs: fc.integer({ min: 1, max: WINDOW }),
    }),
    fc.record({ kind: fc.constantFrom('block' as const, 'allow' as const), user: fc.constantFrom(...USERS) }),
    fc.constantFrom({ kind: 'flush' as const }, { kind: 'reopen' as const }),
    fc.record({
      kind: fc.constant('policy' as const),
      usersPerAddress: fc.integer({ min: 1, max: 3 }),
      windowMs: fc.constantFrom(WINDOW / 2, WINDOW),
      addressesPerUser: fc.integer({ min: 1, max: 3 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const clock = new ManualClock(START)
      const directory = mkdtempSync(join(tmpdir(), 'popauthd-order-'))
      let current = policy
      let table = await AuthorizationTable.open({ directory, clock, policy })
      try {
        const map = new Map<string, number | undefined>()
        for (const one of steps) {
          const changes = []
          if (one.kind === 'logins') changes.push(...(await table.commit({ logins: one.all })).changes)
          else if (one.kind === 'advance') clock.advance(one.ms)
          else if (one.kind === 'flush') changes.push(...(await table.flush()).changes)
          else if (one.kind === 'policy') {
            current = { ...policy, ...one }
            changes.push(...(await table.reconfigure(current)))
          } else if (one.kind === 'reopen') {
            await table[Symbol.asyncDispose]()
            table = await AuthorizationTable.open({ directory, clock, policy: current })
            map.clear()
            for (const { address, untilMs } of await authorizationsOf(table)) map.set(address, untilMs)
          } else if ('user' in one) {
            changes.push(...(await table.applyDecision({ kind: one.kind, atMs: clock.now(), user: one.user })).changes)
          } else {
            const untilMs = clock.now() + one.forMs
            const decision = { kind: one.kind, atMs: clock.now(), untilMs, address: one.address }
            changes.push(...(await table.applyDecision(decision)).changes)
          }
          while ((table.nextExpiryMs() ?? Infinity) <= clock.now()) changes.push(...(await table.sweep()))
          for (const { kind, address, untilMs } of changes) {
            if (kind === 'ended') map.delete(address)
            else {
              expect(kind).toBe(map.has(address) ? 'extended' : 'granted')
              map.set(address, untilMs)
            }
          }
          const listed = (await authorizationsOf(table)).map(({ address, untilMs }) => [address, untilMs])
          expect([...map].sort()).toEqual(listed.sort())
          for (const address of ADDRESSES) expect(table.lookup(address).authorized).toBe(map.has(address))
        }
      } finally {
        await table[Symbol.asyncDispose]()
        rmSync(directory, { recursive: true })
      }
    }),
    { numRuns: 15 },
  )
}, 60_000)
