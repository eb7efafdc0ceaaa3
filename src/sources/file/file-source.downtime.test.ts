/** What a log went through while nobody followed it, and logs with a date in their name. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clock, directory, follow, path, readAndStop, troubles } from '../../../test/support/followed-log.ts'
import { isInstalled } from '../../../test/support/installed.ts'
import type { SourcePosition } from '../source.ts'

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
