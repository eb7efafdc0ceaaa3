/** What every source promises: order, whole lines, resuming anywhere, an end without error. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { FileSource } from '../../src/sources/file/file-source.ts'
import { JournalSource } from '../../src/sources/journal/journal-source.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../../src/sources/source.ts'
import { StdinSource } from '../../src/sources/stdin-source.ts'
import { fakeJournalctl, journalEntry } from '../support/fake-journalctl.ts'

/** One kind of source with something to write to it. */
interface Subject {
  /** A new source over the same log, as after a restart. */
  open(): Source
  write(text: string): void
}

const maxLineBytes = 400
const clock = systemClock

interface Kind {
  readonly name: string
  /** Why nothing can be resumed, where that is so. */
  readonly onceOnly?: string
  make(directory: string, notice: (notice: SourceNotice) => void): Subject
}

const kinds: Kind[] = [
  {
    name: 'file',
    make(directory, notice) {
      const path = join(directory, 'mail.log')
      writeFileSync(path, '')
      const open = () => new FileSource({ path, clock, notice, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => appendFileSync(path, text) }
    },
  },
  {
    name: 'journal (a stand-in for journalctl: journald takes root and a namespace of its own)',
    make(directory, notice) {
      const journal = join(directory, 'entries')
      writeFileSync(journal, '')
      const command = fakeJournalctl(directory, journal)
      const open = () => new JournalSource({ clock, notice, command, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => appendFileSync(journal, text) }
    },
  },
  {
    name: 'stdin',
    onceOnly: 'a pipe cannot be read again',
    make(_directory, notice) {
      const stream = new PassThrough()
      const open = () => new StdinSource({ stream, clock, notice, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => void stream.write(text) }
    },
  },
]

const entries = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => journalEntry(from + i, `Login ${'.'.repeat((from + i) % 70)}`))

describe.each(kinds)('$name', ({ make, onceOnly }) => {
  let directory: string
  let subject: Subject
  let notices: SourceNotice[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-contract-'))
    notices = []
    subject = make(directory, (notice) => notices.push(notice))
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  /** Reads until `enough` says so; every chunk is copied, as its bytes may be reused. */
  async function read(enough: (text: string, chunk: SourceChunk) => boolean, from?: SourcePosition) {
    await using source = subject.open()
    const chunks: { text: string; chunk: SourceChunk }[] = []
    let text = ''
    for await (const chunk of source.chunks(from, new AbortController().signal)) {
      chunks.push({ text: chunk.bytes.toString(), chunk })
      text += chunk.bytes.toString()
      if (enough(text, chunk)) break
    }
    return { text, chunks }
  }

  it('gives whole lines in order, however they were written', async () => {
    const all = entries(1, 60).join('')
    const running = read((text) => text.length >= all.length)
    for (let at = 0; at < all.length; at += 333) subject.write(all.slice(at, at + 333))
    const { text, chunks } = await running
    expect(text).toBe(all)
    for (const one of chunks) expect(one.text === '' || one.text.endsWith('\n')).toBe(true)
  })

  it('says when it has read all there is, and not before', async () => {
    const all = entries(1, 60).join('')
    subject.write(all)
    const { text, chunks } = await read((_text, chunk) => chunk.caughtUp)
    expect(text).toBe(all)
    expect(chunks.length).toBeGreaterThan(5)
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
      subject.write('new\n')
      expect((await read((text) => text !== '', { v: 1, bytes: 999 })).text).toBe('new\n')
    })

  it('skips a line that is too long and tells of it', async () => {
    const [first = '', last = ''] = entries(1, 3)
    subject.write(`${first}${'x'.repeat(3000)}\n${last}`)
    expect((await read((text) => text.endsWith(last))).text).toBe(first + last)
    expect(notices.map((notice) => notice.kind)).toContain('line_too_long')
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
})
