/** Every way in which a log is rotated, on real files. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isInstalled } from '../../../test/support/installed.ts'
import { ManualWaker, SourceDriver } from '../../../test/support/source-driver.ts'
import { SourceError } from '../../errors.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { SourceNotice, SourcePosition } from '../source.ts'
import { FileSource, type FileSourceOptions } from './file-source.ts'

let directory: string
let path: string
let clock: ManualClock
let notices: SourceNotice[]
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

function follow(from?: SourcePosition, options: Partial<FileSourceOptions> = {}): SourceDriver {
  const waker = new ManualWaker()
  const notice = (one: SourceNotice) => notices.push(one)
  const driver = new SourceDriver(new FileSource({ path, clock, notice, waker, ...options }), waker, from)
  drivers.push(driver)
  return driver
}

/** Reads all there is, ends the source and gives the position for the next one. */
async function readAndStop(from?: SourcePosition): Promise<SourcePosition | undefined> {
  const driver = follow(from)
  await driver.read()
  await driver.stop()
  return driver.position
}

const troubles = () => notices.filter((notice) => notice.trouble).map((notice) => notice.kind)
const kinds = () => notices.map((notice) => notice.kind)

describe('a growing file', () => {
  it('gives what is there, then what comes, and says when it has all', async () => {
    writeFileSync(path, 'one\ntwo\n')
    const driver = follow()
    const first = await driver.read()
    expect(first.lines).toEqual(['one', 'two'])
    expect(first.chunks.map((chunk) => chunk.caughtUp)).toEqual([true])
    appendFileSync(path, 'three\n')
    expect(await driver.lines()).toEqual(['three'])
    expect(await driver.lines()).toEqual([])
  })

  it('says once that there is nothing to read', async () => {
    writeFileSync(path, '')
    const driver = follow()
    expect((await driver.read()).chunks).toMatchObject([{ text: '', caughtUp: true }])
    expect((await driver.read()).chunks).toEqual([])
  })

  it('keeps a partial line until its newline', async () => {
    writeFileSync(path, 'one\ntw')
    const driver = follow()
    expect(await driver.lines()).toEqual(['one'])
    appendFileSync(path, 'o')
    expect(await driver.lines()).toEqual([])
    appendFileSync(path, '\nthr')
    expect(await driver.lines()).toEqual(['two'])
    const position = driver.position
    await driver.stop()
    appendFileSync(path, 'ee\n')
    expect(await follow(position).lines()).toEqual(['three'])
  })

  it('passes NULs and bytes that are no UTF-8', async () => {
    writeFileSync(path, Buffer.from([0, 0xff, 0xfe, 0x0d, 10, 0xc3, 10]))
    expect(await follow().lines()).toEqual(['\0\xff\xfe\r', '\xc3'])
  })

  it('skips a line that is too long, counts it and goes on behind it', async () => {
    writeFileSync(path, `one\n${'x'.repeat(5000)}\ntwo\n`)
    const driver = follow(undefined, { maxLineBytes: 100, chunkBytes: 64 })
    expect(await driver.lines()).toEqual(['one', 'two'])
    expect(kinds()).toEqual(['opened', 'line_too_long'])
    appendFileSync(path, 'y'.repeat(5000))
    expect(await driver.lines()).toEqual([])
    appendFileSync(path, '\nthree\n')
    expect(await driver.lines()).toEqual(['three'])
    expect(kinds()).toEqual(['opened', 'line_too_long', 'line_too_long'])
  })

  it('reads a backlog in chunks of whole lines and is caught up with the last', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'.'.repeat(i % 90)}`)
    writeFileSync(path, `${lines.join('\n')}\n`)
    const step = await follow(undefined, { chunkBytes: 4096, maxLineBytes: 1000 }).read()
    expect(step.lines).toEqual(lines)
    expect(step.chunks.length).toBeGreaterThan(50)
    expect(step.chunks.map((chunk) => chunk.caughtUp).indexOf(true)).toBe(step.chunks.length - 1)
  })

  it('dates the backlog by the last write, and what comes later by the clock', async () => {
    writeFileSync(path, 'old\n')
    utimesSync(path, 1000, 1000)
    const driver = follow(undefined, { chunkBytes: 5, maxLineBytes: 4 })
    const [old] = (await driver.read()).chunks
    expect(old).toMatchObject({ text: 'old\n', newestMs: 1_000_000 })
    appendFileSync(path, 'new\n')
    expect((await driver.read()).chunks[0]?.newestMs).toBe(clock.now())
  })
})

describe('what cannot be followed', () => {
  it('refuses a directory before the first chunk, with the mend', async () => {
    mkdirSync(path)
    const error = await follow()
      .read()
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SourceError)
    expect(error).toMatchObject({ message: `cannot follow ${path}: it is a directory`, mend: expect.any(String) })
  })

  it('refuses a pipe without hanging on it', async () => {
    execFileSync('mkfifo', [path])
    await expect(follow().read()).rejects.toThrow('it is not a regular file')
  })

  it('refuses a file that it may not read, and names the group', async () => {
    await asNobody(async () => {
      writeFileSync(path, 'one\n', { mode: 0 })
      const error = await follow()
        .read()
        .catch((error: unknown) => error)
      expect(error).toBeInstanceOf(SourceError)
      expect(error).toMatchObject({ message: `cannot read ${path}: permission denied` })
      expect((error as SourceError).mend).toContain('usermod -aG')
    })
  })

  it('waits for a file that does not exist yet', async () => {
    const driver = follow()
    expect((await driver.read()).chunks).toMatchObject([{ text: '', caughtUp: true }])
    expect(troubles()).toEqual(['missing'])
    writeFileSync(path, 'one\n')
    expect(await driver.lines()).toEqual(['one'])
    expect(kinds()).toEqual(['missing', 'opened'])
  })

  it('tells once of a directory that comes later, and goes on when it is gone', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    unlinkSync(path)
    mkdirSync(path)
    await driver.read()
    await driver.read()
    expect(troubles()).toEqual(['unreadable'])
    rmSync(path, { recursive: true })
    writeFileSync(path, 'two\n')
    expect(await driver.lines()).toEqual(['two'])
  })
})

describe('rename and create', () => {
  it('reads the old file to its end, then the new one', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    appendFileSync(`${path}.1`, 'three\n')
    writeFileSync(path, 'four\n')
    expect(await driver.lines()).toEqual(['two', 'three', 'four'])
    expect(troubles()).toEqual([])
  })

  it('still reads lines that come into the old file late, and keeps both places', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'new 1\n')
    expect(await driver.lines()).toEqual(['new 1'])
    appendFileSync(`${path}.1`, 'late 1\n')
    expect(await driver.lines()).toEqual(['late 1'])
    await driver.stop()
    appendFileSync(`${path}.1`, 'late 2\n')
    appendFileSync(path, 'new 2\n')
    expect(await follow(driver.position).lines()).toEqual(['late 2', 'new 2'])
  })

  it('keeps the place in the new file while a restart reads late lines of the old one', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'new 1\n')
    await driver.read()
    await driver.stop()
    appendFileSync(`${path}.1`, 'late 1\nlate 2\nlate 3\n')
    const again = follow(driver.position, { chunkBytes: 8, maxLineBytes: 7 })
    expect((await again.read(1)).lines).toEqual(['late 1'])
    await again.stop()
    expect(await follow(again.position).lines()).toEqual(['late 2', 'late 3'])
  })

  it('gives the old file up when it has been quiet and the new one is in use', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow(undefined, { lingerMs: 5000 })
    await driver.read()
    renameSync(path, `${path}.1`)
    writeFileSync(path, '')
    await driver.read()
    clock.advance(60_000)
    await driver.read()
    appendFileSync(`${path}.1`, 'the writer has not moved on\n')
    expect(await driver.lines()).toEqual(['the writer has not moved on'])
    appendFileSync(path, 'now it has\n')
    expect(await driver.lines()).toEqual(['now it has'])
    clock.advance(6000)
    await driver.read()
    appendFileSync(`${path}.1`, 'nobody waits for this\n')
    appendFileSync(path, 'more\n')
    expect(await driver.lines()).toEqual(['more'])
    expect(Object.keys(driver.position ?? {})).not.toContain('old_ino')
  })

  it('reads what was rotated twice between two looks', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    renameSync(`${path}.1`, `${path}.2`)
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'four\n')
    expect(await driver.lines()).toEqual(['two', 'three', 'four'])
  })

  it('survives a gap without a file', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    renameSync(path, `${path}.1`)
    await driver.read()
    expect(troubles()).toEqual([])
    clock.advance(60_000)
    appendFileSync(`${path}.1`, 'two\n')
    expect(await driver.lines()).toEqual(['two'])
    expect(troubles()).toEqual(['missing'])
    writeFileSync(path, 'three\n')
    expect(await driver.lines()).toEqual(['three'])
  })
})

describe('truncation', () => {
  it('reads on in a file that was cut to nothing', async () => {
    writeFileSync(path, 'one\ntwo\n')
    const driver = follow()
    await driver.read()
    truncateSync(path)
    await driver.read()
    appendFileSync(path, 'three\n')
    expect(await driver.lines()).toEqual(['three'])
    expect(kinds()).toContain('truncated')
  })

  it('notices a refill to a larger size by the first bytes', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    writeFileSync(path, 'other and longer\nmore\n')
    expect(await driver.lines()).toEqual(['other and longer', 'more'])
  })

  it('loses nothing that copytruncate has copied', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    appendFileSync(path, 'two\nthr')
    await driver.read(0)
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, 'four\n')
    expect(await driver.lines()).toEqual(['two', 'four'])
  })

  it('finds the copies of two rounds after a downtime', async () => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    appendFileSync(path, 'two\n')
    copyFileSync(path, `${path}.2`)
    truncateSync(path)
    appendFileSync(path, 'three\n')
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, 'four\n')
    expect(await follow(position).lines()).toEqual(['two', 'three', 'four'])
  })
})

describe('other files under the name', () => {
  it('follows a file that was deleted and made again', async () => {
    writeFileSync(path, 'one\n')
    const driver = follow()
    await driver.read()
    unlinkSync(path)
    await driver.read()
    writeFileSync(path, 'two\n')
    expect(await driver.lines()).toEqual(['two'])
  })

  it('follows a symbolic link that is switched, and back again', async () => {
    writeFileSync(join(directory, 'a'), 'one\n')
    writeFileSync(join(directory, 'b'), 'two\n')
    symlinkSync('a', path)
    const driver = follow()
    expect(await driver.lines()).toEqual(['one'])
    unlinkSync(path)
    symlinkSync('b', path)
    expect(await driver.lines()).toEqual(['two'])
    unlinkSync(path)
    symlinkSync('a', path)
    appendFileSync(join(directory, 'a'), 'three\n')
    expect(await driver.lines()).toEqual(['three'])
  })

  it('finds the old target of a link that was switched during a downtime', async () => {
    writeFileSync(join(directory, 'a'), 'one\n')
    symlinkSync('a', path)
    const position = await readAndStop()
    appendFileSync(join(directory, 'a'), 'two\n')
    writeFileSync(join(directory, 'b'), 'three\n')
    unlinkSync(path)
    symlinkSync('b', path)
    expect(await follow(position).lines()).toEqual(['two', 'three'])
  })
})

describe('downtime', () => {
  it.each([
    ['.1', '.2'],
    ['.0', '.1'],
    ['-20260102', '-20260101'],
  ])('reads the rest of the predecessor, the files between, then the new one (%s after %s)', async (newer, older) => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}${older}`)
    writeFileSync(`${path}${newer}`, 'three\n')
    writeFileSync(path, 'four\n')
    expect(await follow(position).lines()).toEqual(['two', 'three', 'four'])
    expect(troubles()).toEqual([])
  })

  const packers = [
    { program: 'gzip', options: [] },
    { program: 'xz', options: [] },
    { program: 'zstd', options: ['-q', '--rm'] },
  ].filter(({ program }) => isInstalled(program))

  it.each(packers)('finds a predecessor that $program compressed', async ({ program, options }) => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    execFileSync(program, [...options, `${path}.2`])
    writeFileSync(`${path}.1`, 'three\n')
    writeFileSync(path, 'four\n')
    expect(existsSync(`${path}.2`)).toBe(false)
    expect(await follow(position).lines()).toEqual(['two', 'three', 'four'])
  })

  it('reads several rotations of a downtime, all but the last compressed', async () => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    const expected: string[] = []
    for (let i = 9; i >= 1; i--) {
      if (i === 9) renameSync(path, `${path}.9`)
      appendFileSync(`${path}.${i}`, `rotated ${i}\n`)
      expected.push(`rotated ${i}`)
      if (i > 1) execFileSync('gzip', [`${path}.${i}`])
    }
    writeFileSync(path, 'last\n')
    expect(await follow(position).lines()).toEqual([...expected, 'last'])
    expect(troubles()).toEqual([])
  })

  it('is not fooled by an inode that the next file got from the deleted one', async () => {
    writeFileSync(path, 'one and more\n')
    const position = await readAndStop()
    const head = position as { offset: number; fingerprint: string }
    appendFileSync(path, 'two\n')
    copyFileSync(path, `${path}.1`)
    writeFileSync(path, 'three, which is longer than all that was read\n')
    expect(head.offset).toBe(13)
    expect(await follow(position).lines()).toEqual(['two', 'three, which is longer than all that was read'])
  })

  it('resumes inside a compressed predecessor', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`)
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    appendFileSync(path, `${lines.join('\n')}\n`)
    renameSync(path, `${path}.1`)
    execFileSync('gzip', [`${path}.1`])
    writeFileSync(path, 'last\n')
    const driver = follow(position, { chunkBytes: 1000, maxLineBytes: 900 })
    const before = (await driver.read(3)).lines
    await driver.stop()
    const after = await follow(driver.position).lines()
    expect([...before, ...after]).toEqual([...lines, 'last'])
    expect(before.length).toBeGreaterThan(100)
  })

  it('finds what an empty log got, and lost to a copy, while nobody looked', async () => {
    writeFileSync(path, '')
    const position = await readAndStop()
    writeFileSync(path, 'one\n')
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    writeFileSync(path, 'two\n')
    expect(await follow(position).lines()).toEqual(['one', 'two'])
    expect(troubles()).toEqual([])
  })

  it('ignores a link among the rotated files that leads nowhere', async () => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    symlinkSync('nowhere', `${path}.7`)
    writeFileSync(path, 'three\n')
    expect(await follow(position).lines()).toEqual(['two', 'three'])
  })

  it('is not fooled by a reused inode', async () => {
    writeFileSync(path, 'one\ntwo\n')
    const position = await readAndStop()
    writeFileSync(path, 'another file of the same inode\n')
    expect(await follow(position).lines()).toEqual(['another file of the same inode'])
    expect(troubles()).toEqual(['rotated'])
  })

  it('knows a file again that was copied to another disk', async () => {
    writeFileSync(path, 'one\n')
    const position = await readAndStop()
    copyFileSync(path, `${path}.new`)
    renameSync(`${path}.new`, path)
    appendFileSync(path, 'two\n')
    expect(await follow(position).lines()).toEqual(['two'])
  })

  it('starts over with a position that it did not make', async () => {
    writeFileSync(path, 'one\n')
    const strange: SourcePosition[] = [{ v: 9 }, { v: 1, ino: 'x' }, { cursor: 's=1' }]
    for (const position of strange) {
      expect(await follow(position).lines()).toEqual(['one'])
    }
  })

  it('reads the predecessor at a first start where it was written to within the last window', async () => {
    writeFileSync(`${path}.2`, 'too old\n')
    writeFileSync(`${path}.1`, 'one\n')
    writeFileSync(path, 'two\n')
    const nowS = clock.now() / 1000
    utimesSync(`${path}.2`, nowS, nowS - 3601)
    utimesSync(`${path}.1`, nowS, nowS - 3599)
    const step = await follow(undefined, { backlogMs: 3_600_000 }).read()
    expect(step.lines).toEqual(['one', 'two'])
    expect(step.chunks[0]?.newestMs).toBeCloseTo(clock.now() - 3_599_000, -1)
    expect(step.chunks.map((chunk) => chunk.caughtUp)).toEqual([false, true])
  })
})

describe('a name that changes with the date', () => {
  const day = (name: string) => join(directory, `mail-${name}.log`)
  const pattern = () => join(directory, 'mail-*.log')

  it('goes on in the next file, and still reads late lines of the one before', async () => {
    writeFileSync(day('20261121'), 'one\n')
    const driver = follow(undefined, { path: pattern() })
    expect(await driver.lines()).toEqual(['one'])
    appendFileSync(day('20261121'), 'two\n')
    writeFileSync(day('20261122'), 'four\n')
    appendFileSync(day('20261121'), 'three\n')
    expect(await driver.lines()).toEqual(['two', 'three', 'four'])
    appendFileSync(day('20261121'), 'late\n')
    expect(await driver.lines()).toEqual(['late'])
    writeFileSync(join(directory, 'mail-error.log'), 'no mail log\n')
    expect(await driver.lines()).toEqual([])
    expect(troubles()).toEqual([])
  })

  it('reads all days of a downtime, compressed ones too', async () => {
    writeFileSync(day('20261119'), 'one\n')
    const driver = follow(undefined, { path: pattern() })
    await driver.read()
    await driver.stop()
    appendFileSync(day('20261119'), 'two\n')
    execFileSync('gzip', [day('20261119')])
    writeFileSync(day('20261120'), 'three\n')
    writeFileSync(day('20261121'), 'four\n')
    const again = follow(driver.position, { path: pattern() })
    expect(await again.lines()).toEqual(['two', 'three', 'four'])
    writeFileSync(day('20261122'), 'five\n')
    expect(await again.lines()).toEqual(['five'])
    expect(troubles()).toEqual([])
  })

  it('waits for the first of them, and at a first start reads those of the last window', async () => {
    const driver = follow(undefined, { path: pattern() })
    expect((await driver.read()).chunks).toMatchObject([{ text: '', caughtUp: true }])
    expect(troubles()).toEqual(['missing'])
    writeFileSync(day('20261119'), 'too old\n')
    utimesSync(day('20261119'), 1000, 1000)
    writeFileSync(day('20261120'), 'one\n')
    writeFileSync(day('20261121'), 'two\n')
    expect(await driver.lines()).toEqual(['one', 'two'])
    expect(await follow(undefined, { path: pattern() }).lines()).toEqual(['one', 'two'])
  })
})

describe('troubles that pass', () => {
  it('waits for a directory that comes later', async () => {
    path = join(directory, 'later', 'mail', 'mail.log')
    const driver = follow()
    expect((await driver.read()).chunks).toMatchObject([{ text: '', caughtUp: true }])
    expect(troubles()).toEqual(['missing'])
    mkdirSync(join(directory, 'later', 'mail'), { recursive: true })
    await driver.read()
    writeFileSync(path, 'one\n')
    expect(await driver.lines()).toEqual(['one'])
    rmSync(join(directory, 'later'), { recursive: true })
    await driver.read()
    mkdirSync(join(directory, 'later', 'mail'), { recursive: true })
    writeFileSync(path, 'two\n')
    expect(await driver.lines()).toEqual(['two'])
  })

  it('tells of rights that were taken away with the next file, and goes on when they come back', async () => {
    await asNobody(async () => {
      writeFileSync(path, 'one\n')
      const driver = follow()
      await driver.read()
      chmodSync(path, 0)
      expect(await driver.lines()).toEqual([])
      expect(troubles()).toEqual([])
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'two\n', { mode: 0 })
      expect(await driver.lines()).toEqual([])
      await driver.read()
      expect(troubles()).toEqual(['unreadable'])
      chmodSync(path, 0o600)
      expect(await driver.lines()).toEqual(['two'])
      chmodSync(`${path}.1`, 0o600)
      appendFileSync(`${path}.1`, 'late\n')
      expect(await driver.lines()).toEqual(['late'])
    })
  })

  it('reads the predecessor that became readable again before the new file', async () => {
    await asNobody(async () => {
      writeFileSync(path, 'one\n')
      const position = await readAndStop()
      appendFileSync(path, 'two\n')
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'three\n')
      chmodSync(directory, 0)
      await expect(follow(position).read()).rejects.toThrow('permission denied')
      chmodSync(directory, 0o777)
      expect(await follow(position).lines()).toEqual(['two', 'three'])
    })
  })

  it('says what it misses where only the predecessor may not be read', async () => {
    await asNobody(async () => {
      writeFileSync(path, 'one\n')
      const position = await readAndStop()
      appendFileSync(path, 'two\n')
      renameSync(path, `${path}.1`)
      chmodSync(`${path}.1`, 0)
      writeFileSync(path, 'three\n')
      expect(await follow(position).lines()).toEqual(['three'])
      expect(troubles()).toEqual(['rotated'])
      expect(notices.find(({ trouble }) => trouble)?.detail).toContain('may be lost')
    })
  })
})

/** Runs `action` as a user who has no rights of their own. As root nothing is forbidden. */
async function asNobody(action: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return action()
  chownSync(directory, 65534, 65534)
  process.seteuid?.(65534)
  try {
    await action()
  } finally {
    process.seteuid?.(0)
  }
}
