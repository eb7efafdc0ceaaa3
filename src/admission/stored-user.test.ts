import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DecisionStore } from './decisions.ts'
import { storedUser } from './stored-user.ts'

it.each([
  ['Alice', 'alice'],
  ['ALICE@Example.COM', 'alice@example.com'],
  ['\u00c9lodie', '\u00c9lodie'],
])('takes %s for %s: UW servers let in by any spelling, and log the one that was typed', (typed, stored) => {
  expect(storedUser(typed)).toBe(stored)
})

it.each([
  'Alice',
  'a\ud800b',
  '\u0130'.repeat(300),
  'A'.repeat(300),
  `${'x'.repeat(199)}\ud83d\ude00${'Y'.repeat(99)}`,
])('gives the same again for what it gave for %j', (typed) => {
  expect(storedUser(storedUser(typed))).toBe(storedUser(typed))
})

it('keeps long names apart, and a bound on each', () => {
  const [one, other] = [storedUser(`${'a'.repeat(1000)}1`), storedUser(`${'a'.repeat(1000)}2`)]
  expect(one).not.toBe(other)
  expect(one.length).toBeLessThanOrEqual(256)
})

it('blocks a user by any spelling, in a file written by hand too, and takes that back', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'popauthd-users-'))
  try {
    const path = join(directory, 'decisions.json')
    const block = { kind: 'block', user: 'Mallory', at: '2026-01-01T00:00:00.000Z' }
    writeFileSync(path, JSON.stringify({ version: 1, decisions: [block] }))
    const store = DecisionStore.load(path, { windowMs: 1_800_000, ipv6Prefix: 128 })
    expect(store.isUserBlocked(storedUser('mALLORY'), Date.UTC(2026, 1))).toBe(true)
    await store.apply({ kind: 'allow', user: 'MALLORY', atMs: Date.UTC(2026, 1) })
    expect(store.isUserBlocked(storedUser('Mallory'), Date.UTC(2026, 1))).toBe(false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
