/** What every source promises: order, whole lines, resuming anywhere, an end without error. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { FifoSource } from '../../src/sources/fifo-source.ts'
import { FileSource } from '../../src/sources/file/file-source.ts'
import { JournalSource } from '../../src/sources/journal/journal-source.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../../src/sources/source.ts'
import { StdinSource } from '../../src/sources/stdin-source.ts'
import { SyslogSource } from '../../src/sources/syslog/syslog-source.ts'
import { FileWaker } from '../../src/sources/waker.ts'
import { fakeJournalctl, journalEntry } from '../support/fake-journalctl.ts'

/** One kind of source with something to write to it. */
interface Subject {
  /** A new source over the same log, as after a restart. */
  open(): Source
  write(text: string): void
  close?(): void
}

const maxLineBytes = 400
const clock = systemClock

interface Kind {
  readonly name: string
  /** Why nothing can be resumed, where that is so. */
  readonly onceOnly?: string
  /** Why there is nothing to catch up with, where that is so. */
  readonly isLive?: string
  /** One entry with its line end, where journald's are none; any text otherwise. */
  readonly entry?: (number: number) => string
  make(directory: string, notice: (notice: SourceNotice) => void): Subject
}

const journal = (number: number) => journalEntry(number, `Login ${'.'.repeat(number % 70)}`)
const syslog = (number: number) => `<22>Nov 22 13:35:56 mx test[${number}]: Login ${'.'.repeat(number % 70)}\n`

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
  {
    name: 'fifo',
    onceOnly: 'a pipe cannot be read again',
    make(directory, notice) {
      const path = join(directory, 'log')
      execFileSync('mkfifo', ['-m', '0600', path])
      const open = () =>
        new FifoSource({ path, mode: 0o600, group: undefined, clock, notice, maxLineBytes, chunkBytes: 512 })
      const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
      return { open, write: (text) => void writeSync(fd, text), close: () => closeSync(fd) }
    },
  },
  {
    name: 'syslog over a Unix socket',
    onceOnly: 'a receiver gives what comes, once',
    isLive: 'what senders have waiting is not known before they send it',
    entry: syslog,
    make(directory, notice) {
      const config = {
        transport: 'unix',
        path: join(directory, 'log'),
        mode: 0o660,
        group: undefined,
        maxConnections: 5,
      } as const
      const sizes = { maxFrameBytes: maxLineBytes, inboxBytes: 512 }
      // A sender that keeps what it has until somebody listens.
      let waiting = ''
      let sender: Socket | undefined
      const heard = (one: SourceNotice) => {
        notice(one)
        if (one.kind !== 'opened') return
        sender = connect(config.path).on('error', () => {})
        sender.write(waiting)
      }
      const write = (text: string) => {
        if (sender === undefined) waiting += text
        else sender.write(text)
      }
      return { open: () => new SyslogSource({ config, clock, notice: heard, ...sizes }), write }
    },
  },
]

describe.each(kinds)('$name', ({ make, onceOnly, isLive, entry = journal }) => {
  const entries = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => entry(from + i))
  let directory: string
  let subject: Subject
  let notices: SourceNotice[]

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
      const [text = ''] = entries(1, 2)
      const reading = read((got) => got !== '', { v: 1, bytes: 999 })
      await new Promise((resolve) => setImmediate(resolve))
      subject.write(text)
      expect((await reading).text).toBe(text)
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
