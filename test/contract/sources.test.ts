/** What every source promises: order, whole lines, resuming anywhere, an end without error. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { FileSource } from '../../src/sources/file/file-source.ts'
import type { SourceChunk, SourceNotice, SourcePosition } from '../../src/sources/source.ts'
import { StdinSource } from '../../src/sources/stdin-source.ts'
import { FileWaker } from '../../src/sources/waker.ts'
import { type Subject, sourceKinds } from './source-kinds.ts'

const clock = systemClock

/** What a chunk tells: its lines, or the users of its logins. */
const textOf = ({ bytes, logins = [] }: SourceChunk) => `${bytes}${logins.map(({ user }) => `${user}\n`).join('')}`

describe.each(sourceKinds)('$name', ({ make, prepare, onceOnly, isLive, entry, seen = entry, tooLong }) => {
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
  /** Entries as they are written, and as they are read. */
  const entries = (from: number, to: number) => numbers(from, to).map(entry)
  const allSeen = (from: number, to: number) => numbers(from, to).map(seen).join('')
  let shared: string
  let directory: string
  let subject: Subject
  let notices: SourceNotice[]

  beforeAll(async () => {
    shared = mkdtempSync(join(tmpdir(), 'popauthd-contract-'))
    await prepare?.(shared)
  })
  afterAll(() => rmSync(shared, { recursive: true }))

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-contract-'))
    notices = []
    subject = make(directory, (notice) => notices.push(notice))
  })

  afterEach(() => {
    subject.close?.()
    rmSync(directory, { recursive: true })
  })

  /** Reads until `enough` says so; every chunk is copied, as its bytes may be reused. */
  async function read(enough: (text: string, chunk: SourceChunk) => boolean, from?: SourcePosition) {
    await using source = subject.open()
    const chunks: { text: string; chunk: SourceChunk }[] = []
    let text = ''
    for await (const chunk of source.chunks(from, new AbortController().signal)) {
      chunks.push({ text: textOf(chunk), chunk })
      text += textOf(chunk)
      if (enough(text, chunk)) break
    }
    return { text, chunks }
  }

  it('gives whole lines in order, however they were written', async () => {
    const all = entries(1, 60).join('')
    const wanted = allSeen(1, 60)
    const running = read((text) => text.length >= wanted.length)
    for (let at = 0; at < all.length; at += 333) subject.write(all.slice(at, at + 333))
    const { text, chunks } = await running
    expect(text).toBe(wanted)
    for (const one of chunks) expect(one.text === '' || one.text.endsWith('\n')).toBe(true)
  })

  if (isLive === undefined)
    it('says when it has read all there is, and not before', async () => {
      const all = entries(1, 60).join('')
      subject.write(all)
      const { text, chunks } = await read((_text, chunk) => chunk.caughtUp)
      expect(text).toBe(all)
      expect(chunks.length).toBeGreaterThan(5)
    })
  else
    it(`says at once that it has read all there is: ${isLive}`, async () => {
      expect((await read(() => true)).chunks).toMatchObject([{ text: '', chunk: { caughtUp: true } }])
    })

  it('has plain JSON as its position and a name that stays', async () => {
    subject.write(entries(1, 3).join(''))
    const { chunks } = await read((text) => text !== '')
    const position = chunks.at(-1)?.chunk.position
    expect(JSON.parse(JSON.stringify(position))).toEqual(position)
    expect(subject.open().id).toBe(subject.open().id)
  })

  if (onceOnly === undefined)
    it('gives exactly the rest behind any position', async () => {
      const all = entries(1, 40).join('')
      subject.write(all)
      const { chunks } = await read((text) => text.length >= all.length)
      expect(chunks.length).toBeGreaterThan(5)
      let before = ''
      for (const { text, chunk } of chunks.slice(0, -1)) {
        before += text
        const rest = all.slice(before.length)
        expect((await read((got) => got.length >= rest.length, chunk.position)).text).toBe(rest)
      }
    })
  else
    it(`starts with what comes now, whatever position it is given: ${onceOnly}`, async () => {
      const reading = read((got) => got !== '', { v: 1, bytes: 999 })
      await new Promise((resolve) => setImmediate(resolve))
      subject.write(entry(1))
      expect((await reading).text).toBe(seen(1))
    })

  it('skips a line that is too long and tells of it', async () => {
    subject.write(`${entry(1)}${'x'.repeat(tooLong.bytes)}\n${entry(2)}`)
    expect((await read((text) => text.endsWith(seen(2)))).text).toBe(seen(1) + seen(2))
    expect(notices.map((notice) => notice.kind)).toContain(tooLong.notice)
  })

  it('ends without error after an abort, waiting or not', async () => {
    subject.write(entries(1, 3).join(''))
    await using source = subject.open()
    const abort = new AbortController()
    const iterator = source.chunks(undefined, abort.signal)[Symbol.asyncIterator]()
    for (let caughtUp = false; !caughtUp; ) caughtUp = (await iterator.next()).value.caughtUp
    const waiting = iterator.next()
    abort.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  it('ends when it is disposed of, and bears that twice', async () => {
    subject.write(entries(1, 3).join(''))
    const source = subject.open()
    const iterator = source.chunks(undefined, new AbortController().signal)[Symbol.asyncIterator]()
    for (let caughtUp = false; !caughtUp; ) caughtUp = (await iterator.next()).value.caughtUp
    const waiting = iterator.next()
    await source[Symbol.asyncDispose]()
    expect((await waiting).done).toBe(true)
    await source[Symbol.asyncDispose]()
  })
})

describe('stdin', () => {
  it('ends with the stream and leaves a line out that was cut', async () => {
    const stream = new PassThrough()
    stream.end('one\ntwo\nthr')
    let text = ''
    const source = new StdinSource({ stream, clock, notice: () => {} })
    for await (const chunk of source.chunks(undefined, new AbortController().signal)) text += chunk.bytes
    expect(text).toBe('one\ntwo\n')
  })
})

describe('file', () => {
  it('is woken by inotify, through rotation, without waiting for the poll', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'popauthd-contract-'))
    const path = join(directory, 'mail.log')
    writeFileSync(path, 'one\n')
    const hour = 3_600_000
    await using source = new FileSource({ path, clock, notice: () => {}, pollMilliseconds: hour })
    const iterator = source.chunks(undefined, new AbortController().signal)[Symbol.asyncIterator]()
    const until = async (wanted: string) => {
      for (let text = ''; text !== wanted; ) text += (await iterator.next()).value.bytes
    }
    await until('one\n')
    const two = until('two\n')
    appendFileSync(path, 'two\n')
    await two
    const three = until('three\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    await three
    const late = until('late\n')
    appendFileSync(`${path}.1`, 'late\n')
    await late
    rmSync(directory, { recursive: true })
  })

  it('is followed by the poll alone, as on a network file system, where inotify tells nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'popauthd-contract-'))
    const path = join(directory, 'mail.log')
    writeFileSync(path, 'one\n')
    class Poll extends FileWaker {
      override watch(): void {}
    }
    await using source = new FileSource({ path, clock, notice: () => {}, waker: new Poll(clock, 20) })
    const iterator = source.chunks(undefined, new AbortController().signal)[Symbol.asyncIterator]()
    const until = async (wanted: string) => {
      for (let text = ''; text !== wanted; ) text += (await iterator.next()).value.bytes
    }
    await until('one\n')
    appendFileSync(path, 'two\n')
    await until('two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    await until('three\n')
    rmSync(directory, { recursive: true })
  })
})
