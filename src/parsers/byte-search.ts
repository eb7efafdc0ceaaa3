/** Looks for byte strings, and counts line ends, in chunks of a log: many bytes at once where the machine can, else with Buffer.indexOf. */
import { OVERRUN_BYTES, searchModuleBytes } from './byte-search-code.ts'

const PAGE_BYTES = 64 * 1024
/** Room for the strings that are looked for, in front of the bytes. */
const NEEDLE_BYTES = 4096
/** Smaller chunks are not worth the way into the module. */
const SMALLEST_CHUNK_BYTES = 2048
/** Larger chunks that lie elsewhere are not copied. */
const LARGEST_COPY_BYTES = 8 * 1024 * 1024

interface Area {
  readonly bytes: Buffer
  find(at: number, end: number, needle: number, length: number, rareA: number, rareB: number): number
  count(at: number, end: number): number
}

/** The areas by the memory that they lie in, so that a chunk which lies in one is searched where it is. */
const areas = new WeakMap<ArrayBufferLike, Area>()
let searchModule: WebAssembly.Module | undefined
let copyArea: Area | undefined

/**
 * A buffer of `size` bytes for chunks of a log. What is read into it is searched and counted in place; chunks in other buffers are
 * copied first. Never shrinks or moves; freed with the last reference to it.
 */
export function allocateSearchable(size: number): Buffer {
  const area = createArea(size)
  return area === undefined ? Buffer.allocUnsafeSlow(size) : area.bytes.subarray(NEEDLE_BYTES, NEEDLE_BYTES + size)
}

/** Number of line feeds in `bytes[start, end)`. */
export function countLineEnds(bytes: Buffer, start: number, end: number): number {
  const area = areas.get(bytes.buffer)
  if (area !== undefined) return area.count(bytes.byteOffset + start, bytes.byteOffset + end)
  let count = 0
  for (let at = bytes.indexOf(10, start); at >= 0 && at < end; at = bytes.indexOf(10, at + 1)) count++
  return count
}

/** Looks for a fixed set of byte strings (1 to 64 bytes each, 4 KiB in all) in one chunk after the other. */
export class ByteSearch {
  readonly #needles: readonly Needle[]
  #chunk: Buffer = Buffer.alloc(0)
  #area: Area | undefined
  /** Where the chunk starts in the area. */
  #base = 0
  /** Where each string stands next; -1: nowhere. */
  readonly #places: number[]
  /** Number of the string that {@link next} found. */
  found = 0

  constructor(literals: readonly Buffer[]) {
    let at = 0
    this.#needles = literals.map((bytes) => {
      const needle = { bytes, at, rare: rarestTwo(bytes) }
      at += bytes.length
      return needle
    })
    this.#places = literals.map(() => -1)
    if (at > NEEDLE_BYTES) throw new RangeError(`the strings to look for have more than ${NEEDLE_BYTES} bytes`)
  }

  /** What follows is looked for in `chunk`, which must not change meanwhile. */
  enter(chunk: Buffer): void {
    this.#chunk = chunk
    this.#area = chunk.length < SMALLEST_CHUNK_BYTES ? undefined : (areas.get(chunk.buffer) ?? copyOf(chunk))
    this.#places.fill(-2)
    if (this.#area === undefined) return
    this.#base = areas.has(chunk.buffer) ? chunk.byteOffset : NEEDLE_BYTES
    for (const { bytes, at } of this.#needles) this.#area.bytes.set(bytes, at)
  }

  /** The first place at or behind `from` where any of the strings stands, or -1; its number is in `found`. */
  next(from: number): number {
    let nearest = -1
    for (let i = 0; i < this.#places.length; i++) {
      let place = this.#places[i] as number
      if (place < from && place !== -1) {
        place = this.find(i, from)
        this.#places[i] = place
      }
      if (place < 0 || (nearest >= 0 && place >= nearest)) continue
      nearest = place
      this.found = i
    }
    return nearest
  }

  /** The first place at or behind `from` where string number `index` stands, or -1. */
  find(index: number, from: number): number {
    const needle = this.#needles[index] as Needle
    if (this.#area === undefined) return this.#chunk.indexOf(needle.bytes, from)
    const [rareA, rareB] = needle.rare
    const end = this.#base + this.#chunk.length
    const place = this.#area.find(this.#base + from, end, needle.at, needle.bytes.length, rareA, rareB)
    return place < 0 ? -1 : place - this.#base
  }
}

interface Needle {
  readonly bytes: Buffer
  /** Where it lies in the area. */
  readonly at: number
  readonly rare: readonly [number, number]
}

/** Characters of mail logs from rare to frequent; what is not among them counts as rarer still. */
const FREQUENT = 'QXZJKVYWUGHNBCFLOMPRTIEDSA"()[]<>qjzkxvwyb_/@+=gfhpucdmlrinsoate,-:. 0123456789'

/** Indexes of the two bytes that are least frequent in logs. */
function rarestTwo(bytes: Buffer): readonly [number, number] {
  const order = [...bytes.keys()].sort((a, b) => frequency(bytes[a]) - frequency(bytes[b]))
  return [order[0] ?? 0, order[1] ?? order[0] ?? 0]
}

function frequency(byte: number | undefined): number {
  return FREQUENT.indexOf(String.fromCharCode(byte ?? 0))
}

function copyOf(chunk: Buffer): Area | undefined {
  if (chunk.length > LARGEST_COPY_BYTES) return undefined
  if (copyArea === undefined || copyArea.bytes.length < chunk.length + NEEDLE_BYTES + OVERRUN_BYTES) {
    copyArea = createArea(Math.max(chunk.length, PAGE_BYTES))
  }
  copyArea?.bytes.set(chunk, NEEDLE_BYTES)
  return copyArea
}

/** A memory of its own with the functions that work in it; undefined where the machine has no vectors. */
function createArea(size: number): Area | undefined {
  const code = searchModule === undefined ? searchModuleBytes() : undefined
  if (code !== undefined && !WebAssembly.validate(code)) return undefined
  searchModule ??= new WebAssembly.Module(code as Uint8Array<ArrayBuffer>)
  const pages = Math.ceil((NEEDLE_BYTES + size + OVERRUN_BYTES) / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { exports } = new WebAssembly.Instance(searchModule, { env: { memory } })
  const { find, count } = exports as unknown as Pick<Area, 'find' | 'count'>
  const area = { bytes: Buffer.from(memory.buffer), find, count }
  areas.set(memory.buffer, area)
  return area
}
