import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Login } from '../core/login.ts'
import { ManualClock } from '../lib/clock.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import { FifoSource, LOOK_EVERY_MS } from './fifo-source.ts'
import type { SourceChunk, SourceNotice, SourcePosition } from './source.ts'

const NOW = Date.parse('2026-11-22T13:36:00Z')
const LOGIN = 'Nov 22 13:35:56 mx popper[42]: (v4.1.0) POP login by user "alice" at (host.example.org) 198.51.100.7'

let directory: string
let path: string
let clock: ManualClock
let notices: SourceNotice[]
const sources: FifoSource[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-fifo-'))
  path = join(directory, 'log')
  clock = new ManualClock(NOW)
  notices = []
})

afterEach(async () => {
  for (const source of sources.splice(0)) await source[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

function open(from?: SourcePosition, rights: { mode?: number; group?: string } = {}) {
  const notice = (one: SourceNotice) => void notices.push(one)
  const source = new FifoSource({ path, mode: 0o600, group: undefined, clock, notice, ...rights })
  sources.push(source)
  const abort = new AbortController()
  return { source, abort, chunks: source.chunks(from, abort.signal)[Symbol.asyncIterator]() }
}

/** Reads until this has come. A chunk that is not asked for yet is what nothing has been written for. */
async function until(chunks: AsyncIterator<SourceChunk>, wanted: string): Promise<void> {
  let text = ''
  while (text !== wanted) {
    const { value, done } = await chunks.next()
    expect(done).not.toBe(true)
    text += value.bytes.toString('latin1')
    expect(wanted.startsWith(text)).toBe(true)
  }
}

/** One writer comes, writes and goes. */
function write(text: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  writeSync(fd, text)
  closeSync(fd)
}

/** Lets the source open its pipe, and say that nothing is there. */
async function opened(chunks: AsyncIterator<SourceChunk>): Promise<void> {
  const first = chunks.next()
  while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve))
  let isSaid = false
  void first.then(() => {
    isSaid = true
  })
  while (!isSaid) {
    clock.advance(50)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await first).value).toMatchObject({ caughtUp: true })
}

/** Moves time on until the source has told of this. */
async function toldOf(wanted: SourceNotice['kind']): Promise<void> {
  while (!notices.some(({ kind }) => kind === wanted)) {
    clock.advance(LOOK_EVERY_MS)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a named pipe', () => {
  it('is made where it is missing, for its owner and group alone', async () => {
    const { chunks } = open(undefined, { mode: 0o620, group: String(process.getgid?.()) })
    await opened(chunks)
    expect(statSync(path).isFIFO()).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o620)
  })

  it('outlives its writers', async () => {
    const { chunks } = open()
    await opened(chunks)
    for (const line of ['one\n', 'two\n', 'three\n']) {
      write(line)
      await until(chunks, line)
    }
  })

  it('gives nothing of a line that was not ended', async () => {
    const { chunks } = open()
    await opened(chunks)
    write('one\ntw')
    await until(chunks, 'one\n')
    write('o\n')
    await until(chunks, 'two\n')
  })

  it('gives no login of the line that a restart found waiting: it may be the rest of one', async () => {
    execFileSync('mkfifo', ['-m', '0600', path])
    const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    writeSync(writer, `${LOGIN}\n${LOGIN.replace('alice', 'bob')}\n`)
    const { chunks } = open({ v: 1, bytes: 100 })
    const { value } = await chunks.next()
    const logins: Login[] = []
    const scanner = new LoginScanner({ parsers, timezone: 'UTC' })
    scanner.scan(value.bytes, value, { login: (login) => logins.push(login), rejected: () => {} })
    expect(logins.map(({ user }) => user)).toEqual(['bob'])
    closeSync(writer)
  })

  it('takes all that waits where it was never read before', async () => {
    execFileSync('mkfifo', ['-m', '0600', path])
    const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    writeSync(writer, `${LOGIN}\n`)
    await until(open().chunks, `${LOGIN}\n`)
    closeSync(writer)
  })

  it('is opened again where it was replaced, and made again where it was removed', async () => {
    const { chunks } = open()
    await opened(chunks)
    renameSync(path, `${path}.old`)
    execFileSync('mkfifo', ['-m', '0600', path])
    const next = chunks.next()
    for (let kinds = ''; !kinds.includes('restarted'); kinds = notices.map(({ kind }) => kind).join(' ')) {
      clock.advance(LOOK_EVERY_MS)
      await new Promise((resolve) => setImmediate(resolve))
    }
    write('one\n')
    let text = (await next).value.bytes.toString()
    while (text === '') text = (await chunks.next()).value.bytes.toString()
    expect(text).toBe('one\n')
  })

  it('is waited for where its path cannot be looked at any more: here it leads to itself', async () => {
    const { chunks } = open()
    await opened(chunks)
    rmSync(path)
    symlinkSync(path, path)
    const next = chunks.next()
    await toldOf('unreadable')
    rmSync(path)
    await toldOf('restarted')
    write('one\n')
    let text = (await next).value.bytes.toString()
    while (text === '') text = (await chunks.next()).value.bytes.toString()
    expect(text).toBe('one\n')
  })

  it('gives no login of what waits in it where it has its name again: it may be the rest of a line', async () => {
    const { chunks } = open()
    await opened(chunks)
    const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    writeSync(writer, 'one\nthe beginning')
    await until(chunks, 'one\n')
    const logins: Login[] = []
    const scanner = new LoginScanner({ parsers, timezone: 'UTC' })
    const reading = (async () => {
      while (logins.length === 0) {
        const { value } = await chunks.next()
        scanner.scan(value.bytes, value, { login: (login) => logins.push(login), rejected: () => {} })
      }
    })()
    renameSync(path, `${path}.away`)
    writeFileSync(path, 'in its place')
    await toldOf('unreadable')
    writeSync(writer, `${LOGIN}\n${LOGIN.replace('alice', 'bob')}\n`)
    renameSync(`${path}.away`, path)
    await toldOf('restarted')
    await reading
    expect(logins.map(({ user }) => user)).toEqual(['bob'])
    closeSync(writer)
  })

  it('is refused where it is something else, or others may write to it', async () => {
    writeFileSync(path, 'a file')
    await expect(open().chunks.next()).rejects.toThrow('it is no named pipe')
    rmSync(path)
    execFileSync('mkfifo', ['-m', '0600', path])
    chmodSync(path, 0o622)
    await expect(open().chunks.next()).rejects.toThrow('everybody may write to it')
    path = join(directory, 'absent', 'log')
    await expect(open().chunks.next()).rejects.toMatchObject({ mend: expect.stringContaining('mkfifo') })
  })

  it('ends when it is told to', async () => {
    const { chunks, abort } = open()
    await opened(chunks)
    const waiting = chunks.next()
    abort.abort()
    expect((await waiting).done).toBe(true)
  })
})
