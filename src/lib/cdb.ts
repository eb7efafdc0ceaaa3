/**
 * Writes cdb files. Format: D. J. Bernstein, "A structure for constant databases" (cdb(5)): 256 pairs of table position and slot count,
 * the records, then 256 hash tables; all numbers 32-bit little-endian. Reads the records of one, too. Left out: looking a key up, and changing a
 * file (nobody can: it is made anew).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** One record. Text stands for bytes, each character one (Latin-1). */
export interface CdbEntry {
  readonly key: string | Uint8Array
  readonly data: string | Uint8Array
}

/** One record as read, each character a byte. */
export interface CdbRecord {
  readonly key: string
  readonly data: string
}

/** Positions are 32-bit numbers. */
const MOST_BYTES = 0xffff_ffff
const HEADER_BYTES = 2048
const TABLES = 256
const CHUNK_BYTES = 1 << 18
/** Entries, or slots looked at, after which others have their turn: about a millisecond. */
const TURN = 4096

/**
 * The file that holds the entries of `slices`, in pieces to be written one after the other. The first comes when the last entry has been
 * taken in: the records (not the entries) are held until then, with 8 bytes for each. Other work has its turns in between, however
 * long a slice is. Of several entries with one key a reader sees the first.
 * @throws {RangeError} past `mostBytes` (4 GiB, the most a cdb can be), or where text has a character that is no byte
 */
export async function* cdbFile(
  slices: AsyncIterable<Iterable<CdbEntry>> | Iterable<Iterable<CdbEntry>>,
  mostBytes = MOST_BYTES,
): AsyncGenerator<Buffer> {
  const records = new Records(mostBytes)
  let sinceTurn = 0
  for await (const slice of slices) {
    for (const entry of slice) {
      records.add(entry)
      if (++sinceTurn < TURN) continue
      sinceTurn = 0
      await nextTurn()
    }
  }
  yield records.header()
  yield* records.chunks()
  for (const table of records.tables) yield* table.render()
}

/** The records of a file in their order, as far as it is whole; none where it is no cdb. */
export function* cdbRecords(file: Buffer): Generator<CdbRecord> {
  if (file.length < HEADER_BYTES) return
  const tables = Array.from({ length: TABLES }, (_, index) => file.readUInt32LE(index * 8))
  const end = Math.min(file.length, ...tables)
  for (let at = HEADER_BYTES; at + 8 <= end; ) {
    const keyEnd = at + 8 + file.readUInt32LE(at)
    const next = keyEnd + file.readUInt32LE(at + 4)
    if (next > end) return
    yield { key: file.toString('latin1', at + 8, keyEnd), data: file.toString('latin1', keyEnd, next) }
    at = next
  }
}

/** What was taken in so far. */
class Records {
  readonly tables = Array.from({ length: TABLES }, () => new HashTable())
  readonly #mostBytes: number
  readonly #full: Buffer[] = []
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #used = 0
  /** Where the next record begins in the file. */
  #position = HEADER_BYTES
  #count = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  add({ key, data }: CdbEntry): void {
    const length = 8 + key.length + data.length
    // An entry takes two slots of 8 bytes.
    if (this.#position + length + (this.#count + 1) * 16 > this.#mostBytes)
      throw new RangeError(`${this.#count} entries fill a cdb file: it cannot be larger than ${this.#mostBytes} bytes`)
    if (this.#used + length > this.#chunk.length) this.#next(length)
    const chunk = this.#chunk
    const keyAt = chunk.writeUInt32LE(data.length, chunk.writeUInt32LE(key.length, this.#used))
    const dataAt = put(chunk, key, keyAt)
    this.#used = put(chunk, data, dataAt)
    const hash = hashOf(chunk, keyAt, dataAt)
    this.tables[hash & 255]?.add(hash, this.#position)
    this.#position += length
    this.#count++
  }

  #next(leastBytes: number): void {
    this.#full.push(this.#chunk.subarray(0, this.#used))
    this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, leastBytes))
    this.#used = 0
  }

  /** Where each hash table is, and how many slots it has. */
  header(): Buffer {
    const header = Buffer.alloc(HEADER_BYTES)
    let position = this.#position
    for (const [index, { slots }] of this.tables.entries()) {
      header.writeUInt32LE(slots, header.writeUInt32LE(position, index * 8))
      position += slots * 8
    }
    return header
  }

  /** The records; each chunk is let go of as it is taken. */
  *chunks(): Generator<Buffer> {
    this.#next(0)
    for (let chunk = this.#full.shift(); chunk !== undefined; chunk = this.#full.shift())
      if (chunk.length > 0) yield chunk
  }
}

/** One of the hash tables: which hash is at which position. */
class HashTable {
  /** Hash and position in turns. */
  #pairs = new Uint32Array(16)
  #length = 0

  /** Twice as many as entries, as the format's author has it. */
  get slots(): number {
    return this.#length
  }

  add(hash: number, position: number): void {
    if (this.#length === this.#pairs.length) {
      const grown = new Uint32Array(this.#length * 2)
      grown.set(this.#pairs)
      this.#pairs = grown
    }
    this.#pairs[this.#length++] = hash
    this.#pairs[this.#length++] = position
  }

  async *render(): AsyncGenerator<Buffer> {
    const { slots } = this
    if (slots === 0) return
    const table = Buffer.alloc(slots * 8)
    let looks = 0
    for (let at = 0; at < slots; at += 2) {
      const hash = this.#pairs[at] as number
      let slot = (hash >>> 8) % slots
      for (; table.readUInt32LE(slot * 8 + 4) !== 0; looks++) slot = slot + 1 === slots ? 0 : slot + 1
      table.writeUInt32LE(this.#pairs[at + 1] as number, table.writeUInt32LE(hash, slot * 8))
      // Counted by looks too: keys can be made that all want the same slot.
      if (++looks < TURN) continue
      looks = 0
      await nextTurn()
    }
    await nextTurn()
    yield table
  }
}

/** Returns the offset behind what was written. */
function put(chunk: Buffer, bytes: string | Uint8Array, at: number): number {
  if (typeof bytes !== 'string') chunk.set(bytes, at)
  else
    for (let i = 0; i < bytes.length; i++) {
      const code = bytes.charCodeAt(i)
      if (code > 255) throw new RangeError(`character ${code} is no byte`)
      chunk[at + i] = code
    }
  return at + bytes.length
}

function hashOf(chunk: Buffer, from: number, to: number): number {
  let hash = 5381
  for (let i = from; i < to; i++) hash = ((hash << 5) + hash) ^ (chunk[i] as number)
  return hash >>> 0
}
