/** Compressed files: recognized, unpacked, refused. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isInstalled } from '../../../test/support/installed.ts'
import { type Packing, packingOf, readUnpackedHead, unpack } from './packed-file.ts'

const TEXT = Array.from({ length: 60_000 }, (_, i) => `line ${i} ${(i * 7919) % 1013}\n`).join('')
/** How the programs are called; those that this system has not are left out, by name. */
const PACKERS: readonly { packing: Packing; program: string; option: string }[] = [
  { packing: 'gzip', program: 'gzip', option: '-c' },
  { packing: 'xz', program: 'xz', option: '-c' },
  { packing: 'zstd', program: 'zstd', option: '-qc' },
  { packing: 'bzip2', program: 'bzip2', option: '-c' },
]
let directory: string
let handle: FileHandle | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-packed-'))
})
afterEach(async () => {
  await handle?.close()
  handle = undefined
  rmSync(directory, { recursive: true })
})

async function opened(bytes: Buffer): Promise<FileHandle> {
  writeFileSync(join(directory, 'file'), bytes)
  handle = await open(join(directory, 'file'))
  return handle
}

async function all(parts: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const part of parts) text += part.toString('latin1')
  return text
}

describe.each(PACKERS)('$packing', ({ packing, program, option }) => {
  const installed = isInstalled(program)
  const pack = () => execFileSync(program, [option], { input: TEXT, maxBuffer: 1 << 26 })

  it.skipIf(!installed)(`is known by its first bytes and unpacked (skipped where ${program} is missing)`, async () => {
    const packed = pack()
    expect(packingOf(packed)).toBe(packing)
    const file = await opened(packed)
    expect(await all(unpack(file, packing))).toBe(TEXT)
    expect((await readUnpackedHead(file, packing, 1024)).toString()).toBe(TEXT.slice(0, 1024))
    expect(await all(unpack(file, packing))).toBe(TEXT)
  })

  it.skipIf(!installed)(
    `gives what comes before a damage, then an error (skipped where ${program} is missing)`,
    async () => {
      const packed = pack()
      const file = await opened(packed.subarray(0, packed.length - 20))
      const parts: string[] = []
      const reading = (async () => {
        for await (const part of unpack(file, packing)) parts.push(part.toString('latin1'))
      })()
      await expect(reading).rejects.toThrow()
      expect(TEXT.startsWith(parts.join(''))).toBe(true)
      expect((await readUnpackedHead(file, packing, 1024)).length).toBeLessThanOrEqual(1024)
    },
  )

  it.skipIf(!installed)('ends at once when nobody reads on', async () => {
    const parts = unpack(await opened(pack()), packing)
    expect((await parts.next()).done).toBe(false)
    expect((await parts.return(undefined)).done).toBe(true)
  })
})

it('names the program that is missing', async () => {
  const path = process.env.PATH
  const file = await opened(Buffer.from('28b52ffd0000', 'hex'))
  try {
    process.env.PATH = directory
    await expect(all(unpack(file, 'zstd'))).rejects.toThrow('zstd cannot be run; install it')
    expect(await readUnpackedHead(file, 'zstd', 1024)).toHaveLength(0)
  } finally {
    process.env.PATH = path
  }
})

it('takes no text for a compressed file', () => {
  expect(packingOf(Buffer.from('Nov 22 16:23:01 mx dovecot: x\n'))).toBeUndefined()
  expect(packingOf(Buffer.from('BZh9 is how a line may begin\n'))).toBeUndefined()
  expect(packingOf(Buffer.alloc(0))).toBeUndefined()
  expect(packingOf(gzipSync('').subarray(0, 2))).toBeUndefined()
})
