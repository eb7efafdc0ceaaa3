import { spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { TableChange } from '../core/authorization.ts'
import { type ClientAddress, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { AuthorizationTable } from './authorization-table.ts'

const HOOKS = fileURLToPath(new URL('../../test/support/typescript-hooks.mjs', import.meta.url))
const WRITER = fileURLToPath(new URL('../../test/support/table-writer.ts', import.meta.url))
const START = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000
const WINDOW = 30 * MINUTE
const nets = (...texts: string[]) =>
  NetworkSet.of(
    texts.map((text) => parseNetwork(text) as NonNullable<ReturnType<typeof parseNetwork>>),
    'test',
  )
const basePolicy: AdmissionPolicy = {
  windowMs: WINDOW,
  addressesPerUser: 3,
  usersPerAddress: 2,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: nets('127.0.0.0/8'),
  always: nets('203.0.113.0/24', '198.51.100.200'),
  staticVeto: (address) => (address.startsWith('192.0.66.') ? 'Connect:192.0.66 REJECT' : undefined),
}
const ip = (text: string) => parseClientAddress(text) as ClientAddress
const login = (user: string, address: string, atMs: number): Login => ({
  user,
  address: ip(address),
  service: 'pop3',
  server: 'test',
  atMs,
})
const kinds = (changes: readonly TableChange[]) => changes.map(({ kind, address }) => `${kind} ${address}`).sort()

let directory: string
let clock: ManualClock
let table: AuthorizationTable
const opened: AuthorizationTable[] = []

async function openTable(policy: AdmissionPolicy = basePolicy): Promise<AuthorizationTable> {
  const one = await AuthorizationTable.open({ directory, clock, policy })
  opened.push(one)
  return one
}

async function reopen(policy: AdmissionPolicy = basePolicy): Promise<void> {
  await table[Symbol.asyncDispose]()
  table = await openTable(policy)
}

async function sweepAll(): Promise<TableChange[]> {
  const changes: TableChange[] = []
  while ((table.nextExpiryMs() ?? Infinity) <= clock.now()) changes.push(...(await table.sweep()))
  return changes
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-table-'))
  clock = new ManualClock(START)
  table = await openTable()
})

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]().catch(() => {})
  rmSync(directory, { recursive: true, force: true })
})

describe.runIf(process.geteuid?.() === 0)('a new table that root makes in the directory of another user', () => {
  it('belongs to that user with all its files, and opens again', async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
    directory = mkdtempSync(join(tmpdir(), 'popauthd-table-'))
    chownSync(directory, 65_534, 65_534)
    table = await openTable()
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    await table.applyDecision({ kind: 'allow', atMs: START, address: ip('192.0.2.2') })
    const names = readdirSync(directory).sort()
    expect(names).toEqual(['decisions.json', 'popauthd.lock', 'table.mdb', 'table.mdb-lock'])
    expect(names.map((name) => statSync(join(directory, name)).uid)).toEqual(names.map(() => 65_534))
    await reopen()
    expect(table.lookup(ip('192.0.2.1')).authorized).toBe(true)
  })
})

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
    expect([...table.authorizations()].map(({ reason }) => reason)).toEqual(['always'])
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
    expect([...table.authorizations()].map(({ address, reason }) => [address, reason])).toEqual([
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

describe('a second process', () => {
  it('is told who has the table, and may read it', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    await expect(openTable()).rejects.toThrow(`another popauthd (PID ${process.pid}) uses ${directory}`)
    await table[Symbol.asyncDispose]()
    const reader = await AuthorizationTable.open({ directory, clock, policy: basePolicy, readOnly: true })
    opened.push(reader)
    expect(reader.lookup(ip('192.0.2.1')).authorized).toBe(true)
    await expect(reader.commit({ logins: [login('bob', '192.0.2.2', START)] })).rejects.toThrow()
  })

  it('killed in mid-commit leaves positions and logins of the same commit', async () => {
    await table[Symbol.asyncDispose]()
    let before = 0
    for (const _ of [1, 2, 3]) {
      const child = spawn(process.execPath, ['--import', HOOKS, WRITER, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      child.stdout.once('data', () => child.kill('SIGKILL'))
      await new Promise((resolve) => child.once('close', resolve))
      table = await openTable()
      const done = table.position('s') as number
      expect(done).toBeGreaterThan(before)
      before = done
      expect(table.stats().addresses).toBe(done)
      await table[Symbol.asyncDispose]()
    }
  }, 30_000)

  it('that may write no further loses nothing, opens nothing, and says why', async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
    // The shell's limit on the size of files stands for a full disk.
    const command = 'ulimit -f 2100; exec "$0" --import "$1" "$2" "$3"'
    const child = spawn('sh', ['-c', command, process.execPath, HOOKS, WRITER, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    await new Promise((resolve) => child.once('close', resolve))
    expect(child.exitCode).toBe(0)
    const said = JSON.parse(text.split('\n').find((line) => line.startsWith('{')) as string)
    expect(said).toMatchObject({ name: 'TableError', again: true, isOpen: false, position: said.n - 1 })
    expect(said.message).toContain(`cannot write the table ${join(directory, 'table.mdb')}: `)
    table = await openTable()
    expect(table.position('s')).toBe(said.n - 1)
    expect(table.stats().addresses).toBe(said.n - 1)
  }, 30_000)
})
