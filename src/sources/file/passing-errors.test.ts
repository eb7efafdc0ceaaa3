/** Errors that pass, and what a file source makes of them: it tries again, and misses nothing. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type * as files from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { isInstalled } from '../../../test/support/installed.ts'
import { ManualWaker, SourceDriver } from '../../../test/support/source-driver.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { SourceNotice, SourcePosition } from '../source.ts'
import { FileSource } from './file-source.ts'
import { LineReader, openLogFile } from './line-reader.ts'
import { passes } from './passing-errors.ts'

/** Which calls fail how: set by the tests. */
let failing: Partial<Record<'open' | 'readdir' | 'stat' | 'content' | 'contentOf', string>> = {}

vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof files>()
  const wrap = (name: 'readdir' | 'stat') => {
    const call = real[name] as (...args: unknown[]) => Promise<unknown>
    return async (...args: unknown[]) => {
      const code = failing[name]
      if (code !== undefined) throw systemError(code)
      return call(...args)
    }
  }
  const open = async (...opened: Parameters<typeof real.open>) => {
    if (failing.open !== undefined) throw systemError(failing.open)
    const handle = await real.open(...opened)
    const read = handle.read.bind(handle) as (...args: unknown[]) => ReturnType<typeof handle.read>
    const failingRead = async (...args: unknown[]) => {
      // Heads are read by 1024 bytes at most.
      const isMeant = failing.contentOf === undefined || failing.contentOf === opened[0]
      if (isMeant && failing.content !== undefined && (args[2] as number) > 1024) throw systemError(failing.content)
      return read(...args)
    }
    return Object.assign(handle, { read: failingRead })
  }
  return { ...real, open, readdir: wrap('readdir'), stat: wrap('stat') }
})

const systemError = (code: string) => Object.assign(new Error(`${code}: it failed`), { code })

let directory: string
let path: string
let notices: SourceNotice[]
let drivers: SourceDriver[]
let clock: ManualClock

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-passing-'))
  path = join(directory, 'mail.log')
  notices = []
  drivers = []
  clock = new ManualClock(Date.now())
})
afterEach(async () => {
  failing = {}
  for (const driver of drivers) await driver.stop()
  rmSync(directory, { recursive: true })
})

function follow(from?: SourcePosition): SourceDriver {
  const waker = new ManualWaker()
  const driver = new SourceDriver(
    new FileSource({ path, clock, notice: (one) => notices.push(one), waker }),
    waker,
    from,
  )
  drivers.push(driver)
  return driver
}

it('knows them by their codes, also as the cause of another error', () => {
  for (const code of ['EMFILE', 'ENFILE', 'EIO', 'ESTALE']) expect(passes(systemError(code)), code).toBe(true)
  expect(passes(new Error('xz cannot be run', { cause: systemError('EMFILE') }))).toBe(true)
  for (const code of ['ENOENT', 'EACCES']) expect(passes(systemError(code)), code).toBe(false)
  expect(passes(undefined)).toBe(false)
})

it.each([
  ['open', 'EMFILE'],
  ['readdir', 'EMFILE'],
  ['readdir', 'EIO'],
  ['stat', 'ESTALE'],
] as const)('two rotations while %s fails with %s are read in order once it works', async (call, code) => {
  writeFileSync(path, 'one\n')
  const driver = follow()
  await driver.read()
  appendFileSync(path, 'two\n')
  renameSync(path, `${path}.2`)
  writeFileSync(`${path}.1`, 'three\n')
  writeFileSync(path, 'four\n')
  failing = { [call]: code }
  expect(await driver.lines()).toEqual(['two'])
  expect(await driver.lines()).toEqual([])
  expect(notices.filter(({ trouble }) => trouble).map(({ kind }) => kind)).toEqual(['unreadable'])
  failing = {}
  expect(await driver.lines()).toEqual(['three', 'four'])
})

it.each([
  ['open', 'EMFILE'],
  ['readdir', 'EIO'],
] as const)('a truncation while %s fails with %s loses nothing of the copy', async (call, code) => {
  writeFileSync(path, 'one\n')
  const driver = follow()
  await driver.read()
  writeFileSync(`${path}.1`, 'one\ntwo\n')
  writeFileSync(path, '3\n')
  failing = { [call]: code }
  expect(await driver.lines()).toEqual([])
  expect(await driver.lines()).toEqual([])
  failing = {}
  expect(await driver.lines()).toEqual(['two', '3'])
})

it('a start that cannot list the directory is an error: it must not begin with the new file', async () => {
  writeFileSync(path, 'one\n')
  const first = follow()
  await first.read()
  await first.stop()
  appendFileSync(path, 'two\n')
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'three\n')
  failing = { readdir: 'EIO' }
  await expect(follow(first.position).read()).rejects.toThrow(`cannot read ${path}`)
  failing = {}
  expect(await follow(first.position).lines()).toEqual(['two', 'three'])
})

it('a predecessor that cannot be read just now is read before the next file; one that stays so holds nothing up', async () => {
  for (const isBroken of [false, true]) {
    rmSync(`${path}.1`, { force: true })
    writeFileSync(path, 'one\n')
    const first = follow()
    await first.read()
    await first.stop()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    const driver = follow(first.position)
    failing = { content: 'EIO', contentOf: `${path}.1` }
    expect((await driver.read()).chunks).toEqual([])
    expect((await driver.read()).chunks).toEqual([])
    expect(notices.at(-1)).toMatchObject({ trouble: true, kind: 'unreadable' })
    if (isBroken) {
      clock.advance(60_000)
      expect(await driver.lines()).toEqual(['three'])
    }
    failing = {}
    expect(await driver.lines()).toEqual(isBroken ? ['two'] : ['two', 'three'])
  }
})

it.each(['gzip', 'xz', 'zstd'].filter(isInstalled))(
  'a file that %s compressed goes on where an error left it',
  async (program) => {
    const lines = Array.from({ length: 80_000 }, (_, i) => `line ${i} ${(i * 7919) % 1013}\n`).join('')
    writeFileSync(path, lines)
    execFileSync(program, program === 'zstd' ? ['-q', path, '-o', `${path}.packed`] : ['-k', '-S', '.packed', path])
    const file = await openLogFile(`${path}.packed`)
    const head = Buffer.from(lines.slice(0, 1024))
    const reader = new LineReader(file, head, 0, { chunkBytes: 4096, maxLineBytes: 100 })
    let text = ''
    let errors = 0
    for (let n = 0; ; n++) {
      failing = n % 7 === 0 ? { content: 'EIO' } : {}
      const result = await reader.read().catch((error: unknown) => {
        if (!passes(error)) throw error
        errors++
        return { kind: 'lines', bytes: Buffer.alloc(0) } as const
      })
      if (result.kind !== 'lines') break
      text += result.bytes.toString()
    }
    await reader.close()
    expect(errors).toBeGreaterThan(0)
    expect(text === lines).toBe(true)
  },
)
