/** Reads whole logs for `scan`: plain or gzip, files or standard input, in chunks of whole lines, the next one read ahead. */
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { reasonOf, SourceError } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import type { OnFound } from '../parsers/line-search.ts'
import { searchInThread } from './search-thread.ts'
import { planSegments, SEGMENT_BYTES, SegmentReader } from './segments.ts'

const LF = 10
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])
/** How other compressed files begin, and what unpacks them: the xz file format, section 2.1.1; bzip2; RFC 8878, section 3.1.1. */
const PACKED: readonly { name: string; unpack: string; magic: RegExp }[] = [
  { name: 'xz', unpack: 'xzcat', magic: /^\xfd7zXZ\0/ },
  { name: 'bzip2', unpack: 'bzcat', magic: /^BZh[1-9](?:1AY&|\x17rE)/ },
  { name: 'zstd', unpack: 'zstdcat', magic: /^(?:\x28\xb5\x2f\xfd)/ },
]
/** Bytes that tell how a log is packed. */
const MAGIC_BYTES = 8
/** Bytes that tell whether a log looks like one. */
const HEAD_BYTES = 4096
/** Longest line that is kept together; what is longer is left out whole, as no server writes such lines. */
const MAX_LINE_BYTES = 1024 * 1024

/** Whole lines, each ended by LF. `bytes` may be reused after the next chunk is asked for. */
interface LogChunk {
  readonly bytes: Buffer
  /** Tells of the lines that hold one of the strings that were asked for, where they were looked for already. Returns the number of lines. */
  readonly tell?: (found: OnFound) => number
  /** Lines left out before these because they were too long. */
  readonly skippedLines: number
  /** Bytes of the file read so far (compressed ones, where it is), for progress. */
  readonly readBytes: number
}

/** An opened log. */
export interface OpenLog extends AsyncDisposable {
  /** Bytes of the file; undefined where it has no size (a pipe). */
  readonly size: number | undefined
  /** Unix milliseconds of the newest line it can hold: the file's modification time; undefined for a pipe. */
  readonly modifiedMs: number | undefined
  /**
   * Calls `onBinary` before the first chunk where the log does not look like one. Where `strings` are given, plain files are searched for
   * them on the way. @throws {SourceError} where reading or unpacking fails midway
   */
  chunks(onBinary?: () => void, strings?: readonly string[]): AsyncIterable<LogChunk>
}

/** Opens a log file. @throws {SourceError} */
export async function openLogFile(path: string): Promise<OpenLog> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path)
    const status = await handle.stat()
    if (status.isDirectory())
      throw new SourceError(`cannot read ${path}: it is a directory`, { mend: 'name the files in it' })
    const isFile = status.isFile()
    return await logOf(handle, path, isFile ? status.size : undefined, isFile ? status.mtimeMs : undefined)
  } catch (error) {
    await handle?.close()
    if (error instanceof SourceError) throw error
    throw cannotRead(path, error)
  }
}

async function logOf(handle: FileHandle, path: string, size?: number, modifiedMs?: number): Promise<OpenLog> {
  const seekable = size !== undefined
  const start = Buffer.alloc(MAGIC_BYTES)
  if (seekable) await handle.read(start, 0, MAGIC_BYTES, 0)
  refusePacked(start, path)
  const chunks = async function* (onBinary = () => {}, strings: readonly string[] = []) {
    try {
      if (!seekable || size === 0) yield* streamChunks(handle.createReadStream({ autoClose: false }), path, onBinary)
      else if (isGzip(start))
        yield* gzipChunks(handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024, start: 0 }), onBinary)
      else yield* plainChunks(handle, size, strings, onBinary)
    } catch (error) {
      throw cannotRead(path, error)
    }
  }
  return { size, modifiedMs, chunks, [Symbol.asyncDispose]: () => handle.close() }
}

/** Standard input, or any other stream, as a log. */
export function streamLog(stream: Readable): OpenLog {
  const chunks = async function* (onBinary = () => {}) {
    try {
      yield* streamChunks(stream, undefined, onBinary)
    } catch (error) {
      throw cannotRead('standard input', error)
    }
  }
  return { size: undefined, modifiedMs: undefined, chunks, [Symbol.asyncDispose]: async () => void stream.destroy() }
}

function isGzip(start: Buffer): boolean {
  return start.subarray(0, 2).equals(GZIP_MAGIC)
}

/** @throws {SourceError} where `start` is the beginning of a file that is packed in another way than gzip. No `path`: standard input */
function refusePacked(start: Buffer, path: string | undefined): void {
  const packed = PACKED.find(({ magic }) => magic.test(start.toString('latin1')))
  if (packed === undefined) return
  const { name, unpack } = packed
  const mend =
    path === undefined
      ? `unpack it first: ${unpack} | popauthd scan -`
      : `${unpack} ${shellPath(path)} | popauthd scan -`
  throw new SourceError(`cannot read ${path ?? 'standard input'}: it is compressed with ${name}`, { mend })
}

/** True where there are zero bytes in the first 4 KiB: text has none. */
function looksBinary(start: Buffer): boolean {
  return start.subarray(0, HEAD_BYTES).includes(0)
}

function cannotRead(path: string, error: unknown): SourceError {
  if (error instanceof SourceError) return error
  const code = (error as NodeJS.ErrnoException).code
  const packed = code?.startsWith('Z_')
  const why = packed ? `the compressed data is damaged or cut off (${(error as Error).message})` : reasonOf(error)
  const mend =
    code === 'EACCES'
      ? { mend: 'run it as a user who may read the log: root, or a member of its group (often adm)' }
      : {}
  return new SourceError(`cannot read ${path}: ${why}`, { cause: error, ...mend })
}

async function* plainChunks(
  handle: FileHandle,
  size: number,
  strings: readonly string[],
  onBinary: () => void,
): AsyncGenerator<LogChunk> {
  const plan = planSegments(strings, handle.fd, size)
  if (plan === undefined) return yield* streamChunks(handle.createReadStream({ autoClose: false }), undefined, onBinary)
  searchInThread(plan)
  for (const { chunk, tell, readBytes } of new SegmentReader(plan).segments()) {
    if (readBytes <= SEGMENT_BYTES && looksBinary(chunk)) onBinary()
    yield { bytes: chunk, tell, skippedLines: 0, readBytes }
  }
}

async function* streamChunks(
  stream: Readable,
  path: string | undefined,
  onBinary: () => void,
): AsyncGenerator<LogChunk> {
  let start: Buffer = Buffer.alloc(0)
  const parts = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  while (start.length < MAGIC_BYTES) {
    const part = await parts.next()
    if (part.done) break
    start = Buffer.concat([start, part.value])
  }
  refusePacked(start, path)
  const whole = async function* () {
    yield start
    for (let part = await parts.next(); !part.done; part = await parts.next()) yield part.value
  }
  if (isGzip(start)) yield* gzipChunks(whole(), onBinary)
  else yield* cutChunks(whole(), () => 0, onBinary)
}

async function* gzipChunks(packed: AsyncIterable<Buffer>, onBinary: () => void): AsyncGenerator<LogChunk> {
  const [{ pipeline }, { createGunzip }] = await Promise.all([import('node:stream'), import('node:zlib')])
  let packedBytes = 0
  const counted = async function* () {
    for await (const part of packed) {
      packedBytes += part.length
      yield part
    }
  }
  const gunzip = createGunzip({ chunkSize: 256 * 1024 })
  pipeline(counted, gunzip, () => {}) // an error reaches the reader of gunzip
  yield* cutChunks(gunzip, () => packedBytes, onBinary)
}

async function* cutChunks(
  parts: AsyncIterable<Buffer>,
  readBytes: () => number,
  onBinary: () => void,
): AsyncGenerator<LogChunk> {
  const lines = new LineCutter()
  let total = 0
  for await (const part of parts) {
    if (total === 0 && looksBinary(part)) onBinary()
    total += part.length
    const buffer = Buffer.allocUnsafe(MAX_LINE_BYTES + part.length)
    part.copy(buffer, MAX_LINE_BYTES)
    const bytes = lines.cut(buffer, MAX_LINE_BYTES, buffer.length)
    if (bytes.length > 0) yield { bytes, skippedLines: lines.takeSkipped(), readBytes: readBytes() || total }
  }
  yield { ...lines.rest(), readBytes: readBytes() || total }
}

/** Cuts what is read into whole lines; what is left over waits for the next part. */
class LineCutter {
  /** The beginning of a line whose end is not read yet; a copy. */
  #left: Buffer = Buffer.alloc(0)
  /** True inside a line that is too long. */
  #skipping = false
  #skipped = 0

  /** Whole lines in `buffer` from `start` to `end`, with what was left over put in front (there must be room). */
  cut(buffer: Buffer, start: number, end: number): Buffer {
    const from = this.#skipping ? this.#skipTo(buffer, start, end) : start
    const last = buffer.subarray(from, end).lastIndexOf(LF)
    const stop = last < 0 ? from : from + last + 1
    const whole = last < 0 ? buffer.subarray(0, 0) : this.#withLeft(buffer, from, stop)
    this.#keep(buffer.subarray(stop, end))
    return whole
  }

  #skipTo(buffer: Buffer, start: number, end: number): number {
    const found = buffer.subarray(start, end).indexOf(LF)
    if (found < 0) return end
    this.#skipping = false
    this.#skipped++
    return start + found + 1
  }

  #withLeft(buffer: Buffer, from: number, stop: number): Buffer {
    const start = from - this.#left.length
    this.#left.copy(buffer, start)
    this.#left = Buffer.alloc(0)
    return buffer.subarray(start, stop)
  }

  #keep(part: Buffer): void {
    if (this.#skipping || part.length === 0) return
    if (this.#left.length + part.length <= MAX_LINE_BYTES) {
      this.#left = Buffer.concat([this.#left, part])
      return
    }
    this.#left = Buffer.alloc(0)
    this.#skipping = true
  }

  /** Lines left out since the last call: all of them stand before what was cut last. */
  takeSkipped(): number {
    const count = this.#skipped
    this.#skipped = 0
    return count
  }

  /** The last line where the log does not end with an LF; one is added. Empty where it does, or where that line is too long. */
  rest(): Pick<LogChunk, 'bytes' | 'skippedLines'> {
    const bytes = this.#left.length === 0 ? this.#left : Buffer.concat([this.#left, Buffer.from([LF])])
    return { bytes, skippedLines: this.takeSkipped() + (this.#skipping ? 1 : 0) }
  }
}
