import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import { TableError, UsageError } from '../errors.ts'
import { DecisionStore } from './decisions.ts'

const START = Date.UTC(2026, 2, 1, 12)
const DAY = 86_400_000
const settings = { windowMs: 1_800_000, ipv6Prefix: 128 }
const ip = (text: string) => parseClientAddress(text) as ClientAddress
const HOST = ip('192.0.2.1')

let directory: string
let path: string
let store: DecisionStore

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-decisions-'))
  path = join(directory, 'decisions.json')
  store = DecisionStore.load(path, settings)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it('keeps decisions over a restart, in a file that the group may read', async () => {
  await store.apply({ kind: 'allow', atMs: START, untilMs: START + 5, address: HOST })
  await store.apply({ kind: 'block', atMs: START, user: 'bob "the\u0007" \u202e' })
  await store.apply({ kind: 'revoke', atMs: START + 1, address: ip('2001:db8::1') })
  await store.revokeAll(START - 7)
  const again = DecisionStore.load(path, settings)
  expect(again.list()).toEqual(store.list())
  expect(again.allowedUntil(HOST, START + 4)).toBe(START + 5)
  expect(again.allowedUntil(HOST, START + 5)).toBeUndefined()
  expect(again.isUserBlocked('bob "the\u0007" \u202e', START + 1e12)).toBe(true)
  expect(again.voidUntil(ip('2001:db8::1'), 'x')).toBe(START + 1)
  expect(again.voidUntil(ip('2001:db8::2'), 'x')).toBe(START - 7)
  expect(statSync(path).mode & 0o777).toBe(0o640)
})

it('lets an allow take a block back and a block an allow, and says so', async () => {
  await store.apply({ kind: 'allow', atMs: START, address: HOST })
  const blocked = await store.apply({ kind: 'block', atMs: START + 1, address: HOST })
  expect(blocked.replaced).toEqual([{ kind: 'allow', atMs: START, address: HOST }])
  expect([store.isAddressBlocked(HOST, START + 2), store.allowedUntil(HOST, START + 2)]).toEqual([true, undefined])
  const allowed = await store.apply({ kind: 'allow', atMs: START + 2, address: HOST })
  expect(allowed.replaced.map(({ kind }) => kind)).toEqual(['block'])
  const revoked = await store.apply({ kind: 'revoke', atMs: START + 3, address: HOST })
  expect(revoked.replaced.map(({ kind }) => kind)).toEqual(['allow'])
  expect(store.list()).toEqual([{ kind: 'revoke', atMs: START + 3, address: HOST }])
})

it('never moves a revocation back', async () => {
  await store.apply({ kind: 'revoke', atMs: START, user: 'bob' })
  await store.apply({ kind: 'revoke', atMs: START - 5, user: 'bob' })
  expect(store.voidUntil(HOST, 'bob')).toBe(START)
})

it('forgets what is over when it writes, revocations not before a month', async () => {
  await store.apply({ kind: 'block', atMs: START, untilMs: START + 1, address: HOST })
  await store.apply({ kind: 'revoke', atMs: START, user: 'bob' })
  await store.apply({ kind: 'block', atMs: START + 8 * DAY, user: 'eve' })
  expect(
    DecisionStore.load(path, settings)
      .list()
      .map(({ kind }) => kind),
  ).toEqual(['revoke', 'block'])
  await store.apply({ kind: 'block', atMs: START + 36 * DAY, user: 'mallory' })
  expect(
    DecisionStore.load(path, settings)
      .list()
      .map(({ kind }) => kind),
  ).toEqual(['block', 'block'])
})

it('holds a decision on an IPv6 address for the network that the table opens', async () => {
  await store.apply({ kind: 'block', atMs: START, address: ip('2001:db8::5') })
  store.configure({ ...settings, ipv6Prefix: 64 })
  expect(store.isAddressBlocked(ip('2001:db8::'), START + 1)).toBe(true)
})

it('refuses what makes no sense, and changes nothing', async () => {
  const ended = { kind: 'allow', atMs: START, untilMs: START, address: HOST } as const
  await expect(store.apply(ended)).rejects.toBeInstanceOf(UsageError)
  await expect(store.apply({ ...ended, untilMs: 9e15 })).rejects.toBeInstanceOf(UsageError)
  await expect(store.apply({ ...ended, untilMs: Date.UTC(10000, 0) })).rejects.toBeInstanceOf(UsageError)
  await expect(store.apply({ ...ended, untilMs: Number.NaN })).rejects.toBeInstanceOf(UsageError)
  expect(store.list()).toEqual([])
})

it('changes nothing where it cannot write', async () => {
  const elsewhere = DecisionStore.load(join(directory, 'gone', 'decisions.json'), settings)
  await expect(elsewhere.apply({ kind: 'block', atMs: START, address: HOST })).rejects.toBeInstanceOf(TableError)
  expect(elsewhere.isAddressBlocked(HOST, START + 1)).toBe(false)
})

it.each([
  ['half', (text: string) => text.slice(0, text.length / 2), 'it is not JSON'],
  ['empty', () => '', 'it is not JSON'],
  ['of another version', (text: string) => text.replace('"version": 1', '"version": 2'), 'version'],
  ['with a wrong address', (text: string) => text.replace('192.0.2.1', '192.0.2.256'), 'decisions.0'],
  ['with an unknown key', (text: string) => text.replace('"at"', '"since"'), 'decisions.0'],
])('refuses a file that is %s: a block could be lost with it', async (_, damage, why) => {
  await store.apply({ kind: 'block', atMs: START, address: HOST })
  writeFileSync(path, damage(readFileSync(path, 'utf8')))
  expect(() => DecisionStore.load(path, settings)).toThrow(why)
  expect(() => DecisionStore.load(path, settings)).toThrow(TableError)
})

it('refuses a directory in the place of the file', () => {
  expect(() => DecisionStore.load(directory, settings)).toThrow('it is a directory')
})
