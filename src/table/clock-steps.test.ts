/** A wall clock that is set while the daemon runs: what was granted ends by the new clock, and never lasts longer than its line says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { TableChange } from '../core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'
import { ExpiryTimer } from './expiry-timer.ts'

const START = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const AHEAD = 5 * MINUTE
const WINDOW = 30 * MINUTE
const policy: AdmissionPolicy = {
  windowMs: WINDOW,
  addressesPerUser: 100,
  usersPerAddress: 100,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: new NetworkSet([]),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}
const ip = (text: string) => parseClientAddress(text) as ClientAddress
const BOB = ip('192.0.2.1')
const ANN = ip('192.0.2.2')

let directory: string
let clock: ManualClock
let table: AuthorizationTable
let timer: ExpiryTimer
let told: TableChange[]
/** The sweep that the timer has begun. */
let sweeping: Promise<unknown> | undefined

beforeEach(setUp)
afterEach(tearDown)

async function setUp(): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-clock-'))
  clock = new ManualClock(START)
  told = []
  table = await AuthorizationTable.open({ directory, clock, policy })
  timer = new ExpiryTimer({
    clock,
    nextMs: () => table.nextExpiryMs(),
    sweep: async () => {
      sweeping = table.sweep().then((changes) => void told.push(...changes))
      await sweeping
    },
    onError: (error) => {
      throw error
    },
  })
}

async function tearDown(): Promise<void> {
  await timer[Symbol.asyncDispose]()
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
}

async function logIn(address: ClientAddress, atMs: number) {
  const login: Login = { user: 'bob', address, service: 'pop3', server: 'test', atMs }
  const { changes, outcomes } = await table.commit({ logins: [login] })
  told.push(...changes)
  timer.wake()
  return outcomes[0]?.kind
}

/** Lets time pass, a second at a time, and each sweep end. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    clock.advance(1000)
    for (let last: unknown; last !== sweeping; ) {
      last = sweeping
      await sweeping
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
const kinds = () => told.splice(0).map(({ kind, address }) => `${kind} ${address}`)

describe('a clock that is set forward', () => {
  it('ends what is over by it at once for lookups, within a minute for maps', async () => {
    timer.start()
    await logIn(BOB, START)
    await pass(5000)
    expect(kinds()).toEqual([`granted ${BOB}`])
    clock.step(WINDOW)
    expect(table.lookup(BOB)).toMatchObject({ authorized: false, reason: 'expired' })
    await pass(MINUTE)
    expect(kinds()).toEqual([`ended ${BOB}`])
    expect(table.stats().addresses).toBe(0)
  })

  it('judges new logins by the new time, and keeps what is in time by it', async () => {
    timer.start()
    await logIn(BOB, START)
    clock.step(20 * MINUTE)
    expect(table.lookup(BOB)).toMatchObject({ authorized: true, untilMs: START + WINDOW })
    expect(await logIn(ANN, START + 20 * MINUTE)).toBe('accepted')
    expect(await logIn(ANN, START - 10 * MINUTE)).toBe('stale')
    await pass(10 * MINUTE + 2000)
    expect(kinds()).toEqual([`granted ${BOB}`, `granted ${ANN}`, `ended ${BOB}`])
  })
})

describe('a clock that is set back', () => {
  it('closes what is dated ahead of it, until it gets there, and opens it no longer than by its line', async () => {
    timer.start()
    await logIn(BOB, START)
    await pass(5000)
    clock.step(-20 * MINUTE)
    expect(table.lookup(BOB)).toMatchObject({ authorized: false, reason: 'ahead_of_clock' })
    await pass(MINUTE)
    expect(kinds()).toEqual([`granted ${BOB}`, `ended ${BOB}`])
    await pass(14 * MINUTE - 5000)
    expect(kinds()).toEqual([`granted ${BOB}`])
    expect(clock.now()).toBe(START - AHEAD)
    expect(table.lookup(BOB)).toMatchObject({ authorized: true, untilMs: START + WINDOW })
    await pass(AHEAD + WINDOW - 1000)
    expect(table.lookup(BOB).authorized).toBe(true)
    await pass(2000)
    expect(kinds()).toEqual([`ended ${BOB}`])
  })

  it('by a few minutes closes nothing, and leaves the end where it was', async () => {
    timer.start()
    await logIn(BOB, START)
    clock.step(-AHEAD)
    await pass(2 * MINUTE)
    expect(kinds()).toEqual([`granted ${BOB}`])
    expect(table.lookup(BOB)).toMatchObject({ authorized: true, untilMs: START + WINDOW })
  })

  it('refuses the lines of the time before', async () => {
    clock.step(-2 * HOUR)
    expect(await logIn(BOB, START - 2 * HOUR + AHEAD + 1)).toBe('refused')
    expect(table.lookup(BOB).authorized).toBe(false)
    clock.step(2 * HOUR)
    expect(await logIn(BOB, START - 2 * HOUR + AHEAD + 1)).toBe('stale')
    expect(await logIn(BOB, START)).toBe('accepted')
  })

  it('opens for who logs in by the new time, also where his last login is dated ahead of it', async () => {
    timer.start()
    await logIn(BOB, START)
    clock.step(-2 * HOUR)
    expect(table.lookup(BOB).authorized).toBe(false)
    expect(await logIn(BOB, START - 2 * HOUR)).toBe('accepted')
    expect(table.lookup(BOB)).toMatchObject({ authorized: true, untilMs: START - 2 * HOUR + WINDOW })
    expect(table.usersOf(BOB)).toMatchObject([{ lastMs: START - 2 * HOUR, firstMs: START - 2 * HOUR }])
    await pass(WINDOW + 2000)
    expect(table.lookup(BOB).authorized).toBe(false)
    expect(table.stats().addresses).toBe(0)
  })

  it('over a sweep brings nothing back that was over', async () => {
    timer.start()
    await logIn(BOB, START)
    await pass(WINDOW + 2000)
    expect(kinds()).toEqual([`granted ${BOB}`, `ended ${BOB}`])
    clock.step(-WINDOW)
    expect(table.lookup(BOB)).toMatchObject({ authorized: false, reason: 'unknown' })
  })

  it('ends an allow and a block by the new time too', async () => {
    timer.start()
    await table.applyDecision({ kind: 'allow', atMs: START, untilMs: START + HOUR, address: BOB })
    clock.step(2 * HOUR)
    expect(table.lookup(BOB).authorized).toBe(false)
    await pass(MINUTE)
    clock.step(-2 * HOUR)
    expect(table.lookup(BOB).authorized).toBe(false)
  })
})

type Act =
  | { readonly kind: 'step' | 'advance'; readonly ms: number }
  | { readonly kind: 'login'; readonly address: ClientAddress; readonly fromNowMs: number }
  | { readonly kind: 'sweep' }

const minutes = (min: number, max: number) => fc.integer({ min, max }).map((count) => count * MINUTE)
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('step' as const), ms: minutes(-90, 90) }),
  fc.record({ kind: fc.constant('advance' as const), ms: minutes(1, 20) }),
  fc.record({
    kind: fc.constant('login' as const),
    address: fc.constantFrom(BOB, ANN),
    fromNowMs: minutes(-40, 15),
  }),
  fc.constant({ kind: 'sweep' as const }),
)

it('whatever is done to the clock: a login opens at once if it is in time, and nothing is open without a line in time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
      await tearDown()
      await setUp()
      const accepted: { readonly address: ClientAddress; readonly atMs: number }[] = []
      const isInTime = (atMs: number) => atMs - AHEAD <= clock.now() && clock.now() < atMs + WINDOW
      for (const one of acts) {
        if (one.kind === 'step') clock.step(one.ms)
        else if (one.kind === 'advance') clock.advance(one.ms)
        else if (one.kind === 'login') {
          const atMs = clock.now() + one.fromNowMs
          await logIn(one.address, atMs)
          if (isInTime(atMs)) accepted.push({ address: one.address, atMs })
          if (isInTime(atMs)) expect(table.lookup(one.address).authorized).toBe(true)
        } else {
          await sweepAll()
          expect(openByTold()).toEqual([ANN, BOB].filter((address) => table.lookup(address).authorized).sort())
        }
        for (const address of [ANN, BOB]) {
          const { authorized, untilMs } = table.lookup(address)
          if (!authorized) continue
          const lines = accepted.filter((line) => line.address === address && isInTime(line.atMs))
          expect(lines.map(({ atMs }) => atMs + WINDOW)).toContain(untilMs)
        }
      }
    }),
    effort(60),
  )
})

async function sweepAll(): Promise<void> {
  do told.push(...(await table.sweep()))
  while ((table.nextExpiryMs() ?? Infinity) <= clock.now())
}

function openByTold(): ClientAddress[] {
  const open = new Set<ClientAddress>()
  for (const { kind, address } of told) {
    if (kind === 'ended') open.delete(address)
    else open.add(address)
  }
  return [...open].sort()
}
