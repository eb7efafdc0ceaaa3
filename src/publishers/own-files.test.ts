import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import { type FileFormat, FilePublisher } from './file-publisher.ts'
import { type OwnFiles, ownDirectory, ownFile } from './own-files.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
})
afterEach(() => rm(directory, { recursive: true }))

const textsOf = async (files: OwnFiles) => (await files.read()).map(({ text }) => text)

describe("the operator's own files", () => {
  it('of a directory are those that are meant, without the one that is kept', async () => {
    await mkdir(join(directory, 'files'))
    await mkdir(join(directory, 'files', 'folder'))
    await writeFile(join(directory, 'kept'), 'kept')
    await symlink(join(directory, 'kept'), join(directory, 'files', 'link'))
    await symlink(join(directory, 'nowhere'), join(directory, 'files', 'dangling'))
    for (const name of ['a', 'b', 'b~']) await writeFile(join(directory, 'files', name), name)
    const files = ownDirectory(join(directory, 'files'), (name) => !name.endsWith('~'), join(directory, 'kept'))
    expect(await textsOf(files)).toEqual(['a', 'b'])
    const before = await files.identity()
    await writeFile(join(directory, 'files', 'c'), 'c')
    expect(await files.identity()).not.toBe(before)
    expect(await textsOf(files)).toEqual(['a', 'b', 'c'])
  })

  it('must be there', async () => {
    const missing = join(directory, 'missing')
    for (const files of [ownFile(missing), ownDirectory(missing, () => true, '/kept')]) {
      expect(await files.identity()).toBe('absent')
      await expect(files.read()).rejects.toMatchObject({ name: 'PublishError', retryable: true })
      await expect(files.read()).rejects.toThrow(missing)
    }
  })
})

describe('a file that is made of them', () => {
  const signal = new AbortController().signal
  let rules: string
  let clock: ManualClock
  let made: number
  let publisher: FilePublisher
  const calls: string[] = []

  beforeEach(async () => {
    await mkdir(join(directory, 'rules'))
    rules = join(directory, 'rules', 'mine')
    await writeFile(rules, 'one')
    clock = new ManualClock(1_700_000_000_000)
    made = 0
    calls.length = 0
    const inputs = ownFile(rules)
    const format: FileFormat = {
      needs: 'membership',
      check: () => {},
      async *render() {
        const text = (await textsOf(inputs)).join('')
        if (text === 'bad') throw new Error('cannot read')
        made++
        yield text
      },
    }
    const path = join(directory, 'map')
    publisher = new FilePublisher({
      name: 'map',
      path,
      rights: { mode: 0o644 },
      format,
      stateDirectory: '/x',
      clock,
      inputs,
    })
    publisher.watch(() => calls.push('changed'))
  })
  afterEach(() => publisher[Symbol.asyncDispose]())

  /** Lets the poll of the watches look; what they do takes turns of the event loop, not time. */
  async function look(): Promise<void> {
    clock.advance(5000)
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** The files are looked at by threads of their own, which take the time that they take. */
  async function noticed(): Promise<void> {
    for (let looks = 0; calls.length === 0 && looks < 1000; looks++) await look()
    expect(calls.length).toBeGreaterThan(0)
  }

  it('is made anew when they change, and only then', async () => {
    await publisher.resync(() => [], signal)
    await publisher.publish([], () => [], signal)
    await look()
    expect([made, calls.length]).toEqual([1, 0])
    await writeFile(rules, 'two two')
    await noticed()
    await publisher.publish([], () => [], signal)
    expect(made).toBe(2)
  })

  it('is tried again when what was wrong with them has changed', async () => {
    await writeFile(rules, 'bad')
    await expect(publisher.resync(() => [], signal)).rejects.toThrow(/cannot read/)
    await look()
    expect(calls).toEqual([])
    await writeFile(rules, 'good')
    await noticed()
  })
})
