/** A file that grows, and what stands in the way of reading it. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  asNobody,
  clock,
  directory,
  follow,
  kinds,
  moveLog,
  notices,
  path,
  readAndStop,
  troubles,
} from '../../../test/support/followed-log.ts'
import { SourceError } from '../../errors.ts'

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

describe('troubles that pass', () => {
  it('waits for a directory that comes later', async () => {
    moveLog(join(directory, 'later', 'mail', 'mail.log'))
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
