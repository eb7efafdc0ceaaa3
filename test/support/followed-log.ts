// A log of its own for each test, and the source that follows it. Importing this sets both up.
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { ManualClock } from '../../src/lib/clock.ts'
import { FileSource, type FileSourceOptions } from '../../src/sources/file/file-source.ts'
import type { SourceNotice, SourcePosition } from '../../src/sources/source.ts'
import { ManualWaker, SourceDriver } from './source-driver.ts'

/** Where the log is. */
export let directory: string
/** The log. */
export let path: string
export let clock: ManualClock
/** What the sources of this test told. */
export let notices: SourceNotice[]
let drivers: SourceDriver[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-file-'))
  path = join(directory, 'mail.log')
  clock = new ManualClock(Date.now())
  notices = []
  drivers = []
})

afterEach(async () => {
  for (const driver of drivers) await driver.stop()
  rmSync(directory, { recursive: true })
})

/** A driver of a source over the log. */
export function follow(from?: SourcePosition, options: Partial<FileSourceOptions> = {}): SourceDriver {
  const waker = new ManualWaker()
  const notice = (one: SourceNotice) => notices.push(one)
  const driver = new SourceDriver(new FileSource({ path, clock, notice, waker, ...options }), waker, from)
  drivers.push(driver)
  return driver
}

/** Reads all there is, ends the source and gives the position for the next one. */
export async function readAndStop(from?: SourcePosition): Promise<SourcePosition | undefined> {
  const driver = follow(from)
  await driver.read()
  await driver.stop()
  return driver.position
}

/** Kinds of the notices that are trouble, and of all. */
export const troubles = () => notices.filter((notice) => notice.trouble).map((notice) => notice.kind)
export const kinds = () => notices.map((notice) => notice.kind)

/** Runs `action` as a user who has no rights of their own. As root nothing is forbidden. */
export async function asNobody(action: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return action()
  chownSync(directory, 65534, 65534)
  process.seteuid?.(65534)
  try {
    await action()
  } finally {
    process.seteuid?.(0)
  }
}

/** The log is another file from now on. */
export function moveLog(to: string): void {
  path = to
}
