// What the operator's files say, and what stays in force while they cannot be read: within a run, and from one run to the next.
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PublishError } from '../errors.ts'
import { LatestReading } from './latest-reading.ts'
import { ownFile } from './own-files.ts'
import { memoryBeside, type ReadingMemory } from './reading-memory.ts'

let directory: string
let file: string
let parsed: number
const told: string[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
  file = join(directory, 'mine')
  parsed = 0
  told.length = 0
})
afterEach(() => rm(directory, { recursive: true }))

/** As a process has it that has just been started. */
function reading(memory?: ReadingMemory): LatestReading<string> {
  const parse = async ([first]: readonly { text: string }[]) => {
    parsed++
    if (first?.text.startsWith('bad')) throw new PublishError('it is bad', { retryable: true, mend: 'write it well' })
    return first?.text ?? ''
  }
  return new LatestReading(ownFile(file), { parse, memory, notice: (message) => void told.push(message) })
}

describe('what the files say', () => {
  it('must have been read once', async () => {
    const latest = reading()
    await expect(latest.now()).rejects.toThrow(/no such file/)
    await writeFile(file, 'bad')
    await expect(latest.now()).rejects.toThrow(/it is bad/)
    expect([told, latest.trouble]).toEqual([[], undefined])
  })

  it('stays in force while they cannot be read, which is told once', async () => {
    const latest = reading()
    await writeFile(file, 'good')
    expect([await latest.now(), await latest.now(), parsed]).toEqual(['good', 'good', 1])
    await writeFile(file, 'bad')
    expect([await latest.now(), await latest.now()]).toEqual(['good', 'good'])
    expect(latest.trouble).toBe('it is bad; what was read before stays in force; write it well')
    await writeFile(file, 'bad again')
    expect(await latest.now()).toBe('good')
    await rm(file)
    expect(await latest.now()).toBe('good')
    expect(told).toEqual([expect.stringMatching(/^it is bad;/), expect.stringMatching(/no such file/)])
    await writeFile(file, 'better')
    expect([await latest.now(), latest.trouble]).toEqual(['better', undefined])
    await writeFile(file, 'bad')
    expect(await latest.now()).toBe('better')
    expect(told).toHaveLength(3)
  })
})

describe('what an earlier run read', () => {
  const memory = () => memoryBeside(join(directory, 'map'))
  const kept = () => join(directory, 'map.rules-read~')

  it('stays in force while the files cannot be read from the start', async () => {
    await writeFile(file, 'good \xe9\n', 'latin1')
    await reading(memory()).now()
    await writeFile(file, 'bad')
    const later = reading(memory())
    expect(await later.now()).toBe('good \xe9\n')
    expect(later.trouble).toMatch(/^it is bad; what was read before stays in force/)
    expect(told).toEqual([expect.stringMatching(/^it is bad;/)])
  })

  it('is for popauthd alone, and written where it has changed', async () => {
    await writeFile(file, 'good')
    await reading(memory()).now()
    const { ino, mode } = await stat(kept())
    expect(mode & 0o777).toBe(0o600)
    await reading(memory()).now()
    expect((await stat(kept())).ino).toBe(ino)
    await writeFile(file, 'better')
    await reading(memory()).now()
    expect(await readFile(kept(), 'latin1')).toContain('better')
  })

  it.each(['', 'root:x:0:0', '[]x', '[{"path":1,"text":"a"}]', '[null]', '{}'])(
    'counts for nothing where it is %j',
    async (text) => {
      await writeFile(file, 'bad')
      await writeFile(kept(), text)
      await expect(reading(memory()).now()).rejects.toThrow(/^it is bad$/)
    },
  )

  it('counts for nothing where it can no longer be parsed, or is a link', async () => {
    await writeFile(file, 'bad')
    await writeFile(join(directory, 'elsewhere'), JSON.stringify([{ path: file, text: 'good' }]))
    await symlink(join(directory, 'elsewhere'), kept())
    await expect(reading(memory()).now()).rejects.toThrow(/^it is bad$/)
    await rm(kept())
    await writeFile(kept(), JSON.stringify([{ path: file, text: 'bad then' }]))
    await expect(reading(memory()).now()).rejects.toThrow(/^it is bad$/)
  })

  it('may fail to be kept: the files count all the same, and it is told', async () => {
    await writeFile(file, 'good')
    const latest = reading(memoryBeside(join(directory, 'nowhere', 'map')))
    expect(await latest.now()).toBe('good')
    expect(told).toEqual([expect.stringMatching(/cannot be kept for the next start/)])
  })
})
