/**
 * Looks a table file over before LMDB maps it: LMDB trusts its file, and one that is cut off or damaged kills the process (SIGBUS, SIGSEGV).
 * Follows liblmdb/mdb.c of data format 2 (lmdb 3.x for Node): meta pages, B-tree pages and where they point; not the values.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { DamagedTableError, reasonOf, TableError } from '../errors.ts'
import { MEND_DAMAGED } from './record.ts'

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const HEADER_BYTES = 24
const META_BYTES = 144
const NO_PAGE = 0xffffffffffffffffn
const PAGE = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const
const NODE = { bigData: 0x01, subData: 0x02 } as const
const DEEPEST = 32

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: bigint
  readonly roots: readonly bigint[]
}

/** Bytes in use of a file that is sound; undefined where there is no file. @throws {TableError} for one that LMDB must not map */
export function probeTable(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new TableError(`cannot open the table ${path}: ${reasonOf(error)}`, { cause: error })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw damaged(path, 'it is not a file')
    return new Probe(path, fd, stat.size).run()
  } catch (error) {
    if (error instanceof TableError) throw error
    throw new TableError(`cannot read the table ${path}: ${reasonOf(error)}`, { cause: error })
  } finally {
    closeSync(fd)
  }
}

class Probe {
  readonly #path: string
  readonly #fd: number
  readonly #fileBytes: number
  #pageBytes = 0
  #lastPage = 0
  /** Pages of the trees seen so far: a page that is reached twice means damage (and could make the walk endless). */
  readonly #seen = new Set<number>()

  constructor(path: string, fd: number, fileBytes: number) {
    this.#path = path
    this.#fd = fd
    this.#fileBytes = fileBytes
  }

  run(): number {
    if (this.#fileBytes === 0) throw damaged(this.#path, 'it is empty')
    const first = this.#meta(0)
    const second = this.#meta(first.pageBytes)
    const newest = second.transaction > first.transaction ? second : first
    this.#pageBytes = newest.pageBytes
    this.#lastPage = newest.lastPage
    for (const root of newest.roots) this.#tree(root, 0)
    return (this.#lastPage + 1) * this.#pageBytes
  }

  #meta(offset: number): Meta {
    const bytes = this.#read(offset, HEADER_BYTES + META_BYTES)
    const meta = bytes.subarray(HEADER_BYTES)
    const isMeta = (u16(bytes, 18) & PAGE.meta) !== 0 && u32(meta, 0) === MAGIC
    if (!isMeta) throw damaged(this.#path, 'it is no table of popauthd')
    const version = u32(meta, 4) & 0xffff
    if (version !== DATA_VERSION) throw damaged(this.#path, `it has data format ${version}, not ${DATA_VERSION}`)
    const pageBytes = u32(meta, 24)
    const isPageSize = pageBytes >= 512 && pageBytes <= 65_536 && (pageBytes & (pageBytes - 1)) === 0
    if (!isPageSize) throw damaged(this.#path, 'its page size makes no sense')
    const roots = [u64(meta, 24 + 40), u64(meta, 72 + 40)]
    return { pageBytes, roots, lastPage: Number(u64(meta, 120)), transaction: u64(meta, 128) }
  }

  #tree(root: bigint, depth: number): void {
    if (root === NO_PAGE) return
    if (depth > DEEPEST) throw damaged(this.#path, 'its tree is too deep')
    const page = this.#page(root)
    const isBranch = (u16(page, 18) & PAGE.branch) !== 0
    if (!isBranch && (u16(page, 18) & PAGE.leaf) === 0) throw damaged(this.#path, `page ${root} is of no known kind`)
    const nodes = u16(page, 20) >> 1
    if (HEADER_BYTES + nodes * 2 > page.length) throw damaged(this.#path, `page ${root} is damaged`)
    for (let i = 0; i < nodes; i++) {
      const at = HEADER_BYTES + u16(page, HEADER_BYTES + i * 2)
      if (at + 8 > page.length) throw damaged(this.#path, `page ${root} is damaged`)
      if (isBranch) this.#tree(BigInt(u16(page, at + 4)) * 0x1_0000_0000n + BigInt(u32(page, at)), depth + 1)
      else this.#leafNode(page, at, root, depth)
    }
  }

  #leafNode(page: Buffer, at: number, number: bigint, depth: number): void {
    const flags = u16(page, at + 4)
    const dataAt = at + 8 + u16(page, at + 6)
    const dataBytes = u32(page, at)
    const inPage = (flags & NODE.bigData) !== 0 ? HEADER_BYTES : dataBytes
    if (dataAt + inPage > page.length) throw damaged(this.#path, `page ${number} is damaged`)
    if ((flags & NODE.bigData) !== 0) this.#overflow(u64(page, dataAt), dataBytes)
    else if ((flags & NODE.subData) !== 0 && dataBytes >= 48) this.#tree(u64(page, dataAt + 40), depth + 1)
  }

  #overflow(number: bigint, dataBytes: number): void {
    const page = this.#page(number)
    const pages = u32(page, 20)
    const isSound = (u16(page, 18) & PAGE.overflow) !== 0 && pages * this.#pageBytes >= dataBytes + HEADER_BYTES
    if (!isSound) throw damaged(this.#path, `page ${number} is damaged`)
    if ((Number(number) + pages) * this.#pageBytes > this.#fileBytes) throw damaged(this.#path, 'its end is missing')
  }

  #page(number: bigint): Buffer {
    if (number > BigInt(this.#lastPage))
      throw damaged(this.#path, `it points to page ${number}, which it does not have`)
    const index = Number(number)
    if (this.#seen.has(index)) throw damaged(this.#path, `page ${index} is used twice`)
    this.#seen.add(index)
    const page = this.#read(index * this.#pageBytes, this.#pageBytes)
    if (u64(page, 0) !== number) throw damaged(this.#path, `page ${index} is damaged`)
    return page
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    if (readSync(this.#fd, bytes, 0, length, offset) !== length) throw damaged(this.#path, 'its end is missing')
    return bytes
  }
}

const isLittle = endianness() === 'LE'
const u16 = (bytes: Buffer, at: number) => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at))
const u32 = (bytes: Buffer, at: number) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
const u64 = (bytes: Buffer, at: number) => (isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))

function damaged(path: string, why: string): DamagedTableError {
  return new DamagedTableError(`cannot use the table ${path}: ${why}`, { mend: MEND_DAMAGED })
}
