// What runs when the file has changed: once for each change, and again where it failed.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { PublishError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import { FilePublisher } from './file-publisher.ts'
import { opensmtpdListFormat } from './opensmtpd-list/format.ts'

const { signal } = new AbortController()
const address = '192.0.2.7' as ClientAddress
const granted: TableChange = { kind: 'granted', address, atMs: 1, reason: 'login', user: 'alice' }
const all = (): Authorization[][] => [[{ address, reason: 'login', users: [] }]]

let directory: string
let publisher: FilePublisher
/** What the file held each time that it ran. */
let runs: string[]
let isFailing: boolean

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
  const path = join(directory, 'hosts')
  runs = []
  isFailing = false
  publisher = new FilePublisher({
    name: 'opensmtpd',
    path,
    rights: { mode: 0o644 },
    format: opensmtpdListFormat(128),
    stateDirectory: '/nowhere',
    clock: new ManualClock(1_000_000),
    afterwards: async () => {
      runs.push(await readFile(path, 'utf8'))
      if (isFailing) throw new PublishError('smtpctl failed', { retryable: true })
    },
  })
})
afterEach(async () => {
  await publisher[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

it('runs when the new file is in its place, and not where nothing changed', async () => {
  await publisher.publish([granted], all, signal)
  await publisher.publish([], all, signal)
  expect(runs).toEqual([expect.stringContaining('192.0.2.7\n')])
  await publisher.closeAll(signal)
  expect(runs).toEqual([expect.any(String), expect.not.stringContaining('192.0.2.7')])
})

it('runs again where it failed, though the file did not change any more', async () => {
  isFailing = true
  await expect(publisher.publish([granted], all, signal)).rejects.toMatchObject({ retryable: true })
  isFailing = false
  await publisher.publish([], all, signal)
  expect(runs).toHaveLength(2)
  await publisher.publish([], all, signal)
  expect(runs).toHaveLength(2)
})
