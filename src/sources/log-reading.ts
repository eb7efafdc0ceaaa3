/** Reads whole logs as fast as they come, plain or gzip'ed, for `popauthd scan`. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { pipeline, type Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { reasonOf, SourceError } from '../errors.ts'
import { LineBuffer, type LineBufferOptions } from './line-buffer.ts'

/** Lines of a log, with how far reading has come. */
export interface LogPart {
  /** Whole lines, each ended by LF (added where the last one had none); valid until the next part is asked for. */
  readonly bytes: Buffer
  /** Lines before these that were too long and were left out; they count as lines of the file. */
  readonly skippedLines: number
  /** Bytes of the file read so far, of a compressed one: packed bytes. */
  readonly readBytes: number
  /** Size of the file; undefined for a pipe. */
  readonly totalBytes: number | undefined
}

/** What is read and in what steps. */
export interface LogReadingOptions extends LineBufferOptions {
  /** What `-` stands for. */
  readonly stdin?: Readable
}

/** Measured with a search in each chunk: steps that stay in the processor's cache beat larger ones, and reading ahead in a thread. */
const CHUNK_BYTES = 1 << 19
/** Plain files are read without waiting; after this many steps everybody else gets a turn (signals, the progress bar). */
const STEPS_PER_TURN = 16
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])

/** Reads a file, or standard input for `-`. @throws {SourceError} where it cannot be opened, read or unpacked; what came before counts */
export async function* readLog(path: string, options: LogReadingOptions = {}): AsyncGenerator<LogPart> {
  const lines = new LineBuffer(0, { chunkBytes: CHUNK_BYTES, maxLineBytes: CHUNK_BYTES - 1, ...options })
  try {
    if (path === '-') yield* readStream(options.stdin ?? process.stdin, lines, undefined)
    else yield* readFile(path, lines)
  } catch (error) {
    const where = path === '-' ? 'standard input' : path
    const zlib = String((error as NodeJS.ErrnoException).code).startsWith('Z_')
    const mend = zlib ? 'the file is damaged or not complete yet; what came before was read' : undefined
    throw new SourceError(`cannot read ${where}: ${reasonOf(error)}`, { cause: error, ...(mend && { mend }) })
  }
}

async function* readFile(path: string, lines: LineBuffer): AsyncGenerator<LogPart> {
  const fd = openSync(path, constants.O_RDONLY)
  let ours = true
  try {
    const stat = fstatSync(fd)
    const magic = Buffer.alloc(2)
    if (stat.isFile()) readSync(fd, magic, 0, 2, 0)
    if (stat.isFile() && !magic.equals(GZIP_MAGIC)) yield* readPlain(fd, lines, stat.size)
    else {
      ours = false
      const stream = createReadStream(path, { fd, highWaterMark: CHUNK_BYTES, ...(stat.isFile() && { start: 0 }) })
      yield* readStream(stream, lines, stat.isFile() ? stat.size : undefined)
    }
  } finally {
    if (ours) closeSync(fd)
  }
}

async function* readPlain(fd: number, lines: LineBuffer, totalBytes: number): AsyncGenerator<LogPart> {
  for (let step = 1; ; step++) {
    const space = lines.space()
    const count = readSync(fd, space, 0, space.length, lines.nextOffset)
    if (count === 0) break
    lines.filled(count)
    for (let bytes = lines.take(); bytes !== undefined; bytes = lines.take())
      yield { bytes, skippedLines: lines.takeSkippedLines(), readBytes: lines.nextOffset, totalBytes }
    if (step % STEPS_PER_TURN === 0) await nextTurn()
  }
  yield* lastPart(lines, lines.nextOffset, totalBytes)
}

async function* readStream(
  input: Readable,
  lines: LineBuffer,
  totalBytes: number | undefined,
): AsyncGenerator<LogPart> {
  let readBytes = 0
  const unpacked = unpack(input, (count) => {
    readBytes += count
  })
  for await (const data of unpacked)
    for (const bytes of lines.push(data)) yield { bytes, skippedLines: lines.takeSkippedLines(), readBytes, totalBytes }
  yield* lastPart(lines, readBytes, totalBytes)
}

function* lastPart(lines: LineBuffer, readBytes: number, totalBytes: number | undefined): Generator<LogPart> {
  const bytes = lines.takeUnfinished() ?? Buffer.alloc(0)
  const skippedLines = lines.takeSkippedLines()
  if (bytes.length > 0 || skippedLines > 0) yield { bytes, skippedLines, readBytes, totalBytes }
}

/** The content of a stream, unpacked where it begins as gzip does (several members one after another too). */
async function* unpack(input: Readable, counted: (bytes: number) => void): AsyncGenerator<Buffer> {
  const source = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let head = Buffer.alloc(0)
  while (head.length < 2) {
    const next = await source.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  const all = countedBytes(head, source, counted)
  if (!head.subarray(0, 2).equals(GZIP_MAGIC)) return yield* all
  yield* pipeline(all, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}) as unknown as AsyncIterable<Buffer>
}

async function* countedBytes(
  head: Buffer,
  rest: AsyncIterator<Buffer>,
  counted: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  try {
    for (let data = head; ; ) {
      counted(data.length)
      if (data.length > 0) yield data
      const next = await rest.next()
      if (next.done === true) return
      data = next.value as Buffer<ArrayBuffer>
    }
  } finally {
    await rest.return?.()
  }
}
