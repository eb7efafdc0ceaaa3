/** Whole logs, plain and packed, from files and pipes. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SourceError } from '../errors.ts'
import { type LogPart, type LogReadingOptions, readLog } from './log-reading.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-reading-'))
  path = join(directory, 'mail.log')
})

afterEach(() => rmSync(directory, { recursive: true }))

async function read(from: string, options?: LogReadingOptions) {
  const parts: (Omit<LogPart, 'bytes'> & { text: string })[] = []
  let error: unknown
  try {
    for await (const part of readLog(from, options)) parts.push({ ...part, text: part.bytes.toString('latin1') })
  } catch (caught) {
    error = caught
  }
  return { parts, text: parts.map((part) => part.text).join(''), error }
}

const lines = Array.from(
  { length: 40_000 },
  (_, i) => `Nov 22 10:00:00 host dovecot[${i}]: \xff${'.'.repeat(i % 50)}\n`,
)
const text = lines.join('')
const bytes = Buffer.from(text, 'latin1')

describe('readLog', () => {
  it('gives a plain file in whole lines and tells how far it is', async () => {
    writeFileSync(path, bytes)
    const { parts, text: all } = await read(path)
    expect(all).toBe(text)
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.every((part) => part.text.endsWith('\n') && part.totalBytes === bytes.length)).toBe(true)
    expect(parts.at(-1)?.readBytes).toBe(bytes.length)
  })

  it('unpacks gzip, of several members too, by its first bytes and not its name', async () => {
    const packed = Buffer.concat([gzipSync(bytes.subarray(0, 1_000_001)), gzipSync(bytes.subarray(1_000_001))])
    writeFileSync(path, packed)
    const { parts, text: all } = await read(path)
    expect(all).toBe(text)
    expect(parts.at(-1)).toMatchObject({ readBytes: packed.length, totalBytes: packed.length })
  })

  it.each(['plain', 'packed'])('reads %s standard input, whatever its pieces', async (kind) => {
    const input = kind === 'plain' ? bytes : gzipSync(bytes)
    const pieces = [input.subarray(0, 1), input.subarray(1, 777), input.subarray(777)]
    const { parts, text: all } = await read('-', { stdin: Readable.from(pieces) })
    expect(all).toBe(text)
    expect(parts.at(-1)).toMatchObject({ readBytes: input.length, totalBytes: undefined })
  })

  it('gives a last line without newline as a line', async () => {
    writeFileSync(path, 'one\ntwo')
    expect((await read(path)).text).toBe('one\ntwo\n')
    writeFileSync(path, gzipSync('one\ntwo'))
    expect((await read(path)).text).toBe('one\ntwo\n')
  })

  it('gives nothing for empty files', async () => {
    writeFileSync(path, '')
    expect(await read(path)).toMatchObject({ parts: [], error: undefined })
    expect(await read('-', { stdin: Readable.from([]) })).toMatchObject({ parts: [], error: undefined })
  })

  it('counts lines that are too long before the lines that follow them', async () => {
    writeFileSync(path, `one\n${'x'.repeat(99)}\n${'y'.repeat(99)}\ntwo\n${'z'.repeat(99)}`)
    const { parts } = await read(path, { chunkBytes: 64, maxLineBytes: 20 })
    expect(parts.map((part) => [part.text, part.skippedLines])).toEqual([
      ['one\n', 0],
      ['two\n', 2],
      ['', 1],
    ])
  })

  it('gives what a damaged gzip file still holds, then says so', async () => {
    const packed = gzipSync(bytes)
    writeFileSync(path, packed.subarray(0, packed.length - 1000))
    const { text: all, error } = await read(path)
    expect(error).toBeInstanceOf(SourceError)
    expect(error).toMatchObject({ message: `cannot read ${path}: unexpected end of file`, mend: expect.any(String) })
    expect(all.length).toBeGreaterThan(1_000_000)
    expect(text.startsWith(all)).toBe(true)
  })

  it('says what it cannot open', async () => {
    expect((await read(path)).error).toMatchObject({ message: `cannot read ${path}: no such file or directory` })
    expect((await read(directory)).error).toMatchObject({ message: `cannot read ${directory}: it is a directory` })
  })

  it.each(['plain', 'packed'])('lets go of a %s file where reading stops early', async (kind) => {
    writeFileSync(path, kind === 'plain' ? bytes : gzipSync(bytes))
    for await (const part of readLog(path)) {
      expect(part.bytes.length).toBeGreaterThan(0)
      expect(openFiles()).toContain(path)
      break
    }
    await vi.waitUntil(() => !openFiles().includes(path))
  })
})

/** What this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // closed since
    }
  })
}
