/** Rotation while its files are being listed: whatever moves between two looks, no file is missed. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type * as files from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ManualWaker, SourceDriver } from '../../../test/support/source-driver.ts'
import { ManualClock } from '../../lib/clock.ts'
import { FileSource } from './file-source.ts'

/** What happens before the n-th stat(2) of the source. */
let beforeStat: (() => void)[] = []

vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof files>()
  const stat = async (...args: Parameters<typeof real.stat>) => {
    beforeStat.shift()?.()
    return real.stat(...args)
  }
  return { ...real, stat }
})

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-races-'))
  path = join(directory, 'mail.log')
})
afterEach(() => {
  beforeStat = []
  rmSync(directory, { recursive: true })
})

function compress(name: string): void {
  if (!existsSync(name)) return
  writeFileSync(`${name}.gz`, gzipSync(readFileSync(name)))
  unlinkSync(name)
}

function shift(): void {
  for (let i = 5; i >= 1; i--)
    for (const ending of ['', '.gz'])
      if (existsSync(`${path}.${i}${ending}`)) renameSync(`${path}.${i}${ending}`, `${path}.${i + 1}${ending}`)
}

const races = {
  'the copy is compressed': () => compress(`${path}.1`),
  'all files move on by one': shift,
  'all files move on by one, and a copy of the log gets the first name': () => {
    shift()
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
  },
}
const cases = Object.entries(races).flatMap(([what, race]) => [0, 1, 2, 3, 4, 5, 6].map((n) => ({ what, race, n })))

it.each(cases)('$what before the look number $n', async ({ race, n }) => {
  const waker = new ManualWaker()
  const source = new FileSource({ path, clock: new ManualClock(Date.now()), notice: () => {}, waker })
  writeFileSync(path, 'one\n')
  const driver = new SourceDriver(source, waker)
  const lines = await driver.lines()
  writeFileSync(`${path}.2`, 'one\ntwo\n')
  writeFileSync(`${path}.1`, 'three\n')
  writeFileSync(path, 'four\n')
  beforeStat = [...Array.from({ length: n }, () => () => {}), race]
  for (let i = 0; i < 3; i++) lines.push(...(await driver.lines()))
  await driver.stop()
  expect([...new Set(lines)]).toEqual(['one', 'two', 'three', 'four'])
})
