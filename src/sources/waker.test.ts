/** When a reader is woken. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import { FileWaker } from './waker.ts'

let directory: string
let path: string
let clock: ManualClock
let waker: FileWaker
const never = new AbortController().signal

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-waker-'))
  path = join(directory, 'mail.log')
  clock = new ManualClock(0)
  waker = new FileWaker(clock, 1000)
})

afterEach(() => {
  waker.close()
  rmSync(directory, { recursive: true })
})

it('wakes after the poll interval and not before', async () => {
  let woken = false
  const waiting = waker.wait(never).then(() => {
    woken = true
  })
  clock.advance(999)
  await Promise.resolve()
  expect(woken).toBe(false)
  clock.advance(1)
  await waiting
  expect(woken).toBe(true)
})

it('wakes when the file appears, grows, or a name that rotation makes of it changes', async () => {
  waker.watch([path])
  for (const change of [
    () => writeFileSync(path, 'one\n'),
    () => appendFileSync(path, 'two\n'),
    () => writeFileSync(`${path}.1`, 'late\n'),
  ]) {
    const waiting = waker.wait(never)
    change()
    await waiting
  }
})

it('polls where the directory does not exist', async () => {
  waker.watch([join(directory, 'none', 'mail.log')])
  const waiting = waker.wait(never)
  clock.advance(1000)
  await waiting
})

it('ends waiting at an abort, before or during it', async () => {
  const abort = new AbortController()
  const waiting = waker.wait(abort.signal)
  abort.abort()
  await waiting
  await waker.wait(abort.signal)
})
