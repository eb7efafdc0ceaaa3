/** Compressed log files: known by their first bytes, unpacked as a stream. gzip is built in; xz, zstd and bzip2 take the system's program. */
import { spawn } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { pipeline, Readable, type Writable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { passes } from './passing-errors.ts'

/** How a file is compressed. */
export type Packing = 'gzip' | 'xz' | 'zstd' | 'bzip2'

const MAGIC: readonly (readonly [packing: Packing, bytes: Buffer])[] = [
  ['gzip', Buffer.from('1f8b08', 'hex')],
  ['xz', Buffer.from('fd377a585a00', 'hex')],
  ['zstd', Buffer.from('28b52ffd', 'hex')],
  // All of it is text, but no line of a log begins so: the block's magic number follows.
  ['bzip2', Buffer.from('BZh91AY&SY')],
]

/** Programs that unpack standard input to standard output; a file that would need more memory than this is refused. */
const PROGRAMS: Readonly<Record<Exclude<Packing, 'gzip'>, readonly [program: string, ...args: string[]]>> = {
  xz: ['xz', '--decompress', '--stdout', '--memlimit-decompress=256MiB'],
  zstd: ['zstd', '--decompress', '--stdout', '--quiet', '--memory=256MB'],
  bzip2: ['bzip2', '--decompress', '--stdout'],
}
const PIECE_BYTES = 1 << 18
const LONGEST_COMPLAINT = 300

/** How a file that begins with `head` is compressed; undefined where it is not. */
export function packingOf(head: Buffer): Packing | undefined {
  return MAGIC.find(([, bytes]) => head.subarray(0, bytes.length).equals(bytes))?.[0]
}

/** The content, in pieces. Reads from the beginning, wherever the handle stands. @throws {Error} damaged, or the program is missing */
export function unpack(handle: FileHandle, packing: Packing): AsyncGenerator<Buffer> {
  return packing === 'gzip' ? gunzip(handle) : byProgram(handle, packing)
}

/** The first `length` bytes of the content; fewer where it is short, damaged or cannot be unpacked here. @throws errors that pass */
export async function readUnpackedHead(handle: FileHandle, packing: Packing, length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let count = 0
  try {
    for await (const part of unpack(handle, packing)) {
      parts.push(part)
      count += part.length
      if (count >= length) break
    }
  } catch (error) {
    // What could be unpacked is all there is, unless it was not tried at all.
    if (passes(error)) throw error
  }
  return Buffer.concat(parts).subarray(0, length)
}

async function* gunzip(handle: FileHandle): AsyncGenerator<Buffer> {
  const output = createGunzip({ chunkSize: PIECE_BYTES })
  // Errors reach the reader through `output`.
  feed(handle, output)
  yield* output as AsyncIterable<Buffer>
}

async function* byProgram(handle: FileHandle, packing: Exclude<Packing, 'gzip'>): AsyncGenerator<Buffer> {
  const [program, ...args] = PROGRAMS[packing]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  const problem = new Promise<Error | undefined>((resolve) => {
    child.once('error', (cause) => resolve(new Error(`${program} cannot be run; install it`, { cause })))
    child.once('close', (code) => resolve(code === 0 ? undefined : new Error(`${program}: ${complaint.trim()}`)))
  })
  // Where descriptors have run out it has no pipes, and an error is on its way.
  if (child.stderr === undefined) throw await problem
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString('latin1')).slice(0, LONGEST_COMPLAINT)
  })
  let unread: unknown
  feed(handle, child.stdin, (error) => {
    unread = error
  })
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const error = await problem
    if (error !== undefined) throw error
  } catch (error) {
    const ended = await problem
    throw passes(unread) ? unread : (ended ?? error)
  } finally {
    child.kill('SIGKILL')
    await problem
  }
}

/** Errors of the target are for who reads from it. */
function feed(handle: FileHandle, target: Writable, failed: (error: unknown) => void = () => {}): void {
  target.on('error', () => {})
  pipeline(Readable.from(packed(handle), { highWaterMark: 1 }), target, failed)
}

async function* packed(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const bytes = Buffer.allocUnsafe(PIECE_BYTES)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield bytes.subarray(0, bytesRead)
  }
}
