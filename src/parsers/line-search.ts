/** Finds the lines of a log that hold one of a set of strings, and counts all: many bytes at once where the machine can, else byte by byte. */
import {
  ENTRY_BYTES,
  HEADER_BYTES,
  hashOf,
  LAYOUT,
  MOST_PAIRS,
  OVERRUN_BYTES,
  type SearchMethod,
  searchModuleBytes,
  WINDOW_BYTES,
} from './search-code.ts'

const PAGE_BYTES = 64 * 1024
/** Room for the records of chunks that were not searched in a {@link SearchArea} of somebody's own. */
const TABLE_BYTES = 64 * 1024
/** Smaller chunks are not worth the way into the module. */
const SMALLEST_CHUNK_BYTES = 2048
/** Parts of a chunk that lies elsewhere, copied to be searched. */
const COPY_BYTES = 1024 * 1024
const LF = 10

/** One line that holds one of the strings. Offsets in bytes from the start of the chunk. */
export interface FoundLine {
  readonly start: number
  /** Of its LF. */
  readonly end: number
  /** Number of the string. */
  readonly string: number
  /** Lines before it in the chunk. */
  readonly linesBefore: number
}

/**
 * Told of each string in each line, in the order of their places; a line with several is told as often. It must not start another search
 * for the same strings, which shares the memory.
 */
export type OnFound = (start: number, end: number, string: number, linesBefore: number) => void

type SearchFunction = (at: number, end: number, floor: number, table: number, tableEnd: number) => number

/** A memory with the search in it: chunks are read to where it has room, searched in place, and what was found lies in it too. */
export class SearchArea {
  readonly bytes: Buffer
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  readonly #search: SearchFunction
  readonly #words: Int32Array

  /** The search of `module` in a memory that {@link LineSearch.createArea} made, which another thread may share. */
  constructor(memory: WebAssembly.Memory, module: WebAssembly.Module) {
    this.memory = memory
    this.module = module
    this.bytes = Buffer.from(memory.buffer)
    this.#words = new Int32Array(memory.buffer)
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    this.#search = (exports as unknown as { search: SearchFunction }).search
  }

  /**
   * Searches `[at, end)`, where `at` is the start of a line; records go behind `table`. Returns the place to go on from, `end` where all is
   * done. `before`: what an earlier call for the same chunk left off with.
   */
  search(at: number, end: number, floor: number, table: number, tableEnd: number, before?: AreaResult): AreaResult {
    const header = table / 4
    this.#words[header + 1] = before?.lines ?? 0
    const goOn = this.#search(at, end, floor, table, tableEnd)
    return this.result(table, goOn)
  }

  /** What a search wrote at `table`. */
  result(table: number, goOn: number): AreaResult {
    const header = table / 4
    const [count = 0, lines = 0] = this.#words.subarray(header, header + 2)
    return { goOn, count, lines, records: this.#words.subarray(header + HEADER_BYTES / 4) }
  }
}

/** What a search left in an area. */
export interface AreaResult {
  /** Where to go on; the end of the chunk where all is done. */
  readonly goOn: number
  /** Number of records. */
  readonly count: number
  /** Line ends before `goOn`. */
  readonly lines: number
  /** Four words each: start and end of the line (addresses), number of the string, lines before. */
  readonly records: Int32Array
}

/** Looks for a fixed set of byte strings (3 to 64 bytes each, 32 KiB in all) in one chunk after the other. */
export class LineSearch {
  /** The strings, each byte a character. */
  readonly texts: readonly string[]
  readonly #strings: readonly Buffer[]
  readonly #prepared: PreparedSearch

  /** @throws {RangeError} for strings that are shorter or longer */
  constructor(strings: readonly string[]) {
    this.texts = strings
    this.#strings = strings.map((text) => Buffer.from(text, 'latin1'))
    const wrong = strings.find((text) => text.length < WINDOW_BYTES || text.length > 64)
    if (wrong !== undefined)
      throw new RangeError(`cannot look for ${JSON.stringify(wrong)}: it has ${wrong.length} bytes`)
    this.#prepared = prepareSearch(this.#strings)
  }

  /** An area with room for `size` bytes behind its tables (which end at {@link LAYOUT}.end); undefined where the machine has no vectors, or the tables no room. */
  createArea(size: number, shared = false): SearchArea | undefined {
    const { plan } = this.#prepared
    if (!hasRoom(plan.strings)) return undefined
    const pages = Math.ceil((LAYOUT.end + size + OVERRUN_BYTES) / PAGE_BYTES)
    const code = searchModuleBytes(plan.method, shared ? pages : undefined)
    if (!WebAssembly.validate(code)) return undefined
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
    writeTables(Buffer.from(memory.buffer), plan)
    return new SearchArea(memory, new WebAssembly.Module(code))
  }

  /** Tells of the lines in `chunk` that hold a string; bytes behind its last LF are not looked at. Returns the number of its lines. */
  search(chunk: Buffer, found: OnFound): number {
    if (chunk.length >= SMALLEST_CHUNK_BYTES) {
      this.#prepared.area ??= this.createArea(TABLE_BYTES + COPY_BYTES) ?? 'none'
      if (this.#prepared.area !== 'none') return this.#searchCopies(this.#prepared.area, chunk, found)
    }
    return searchPlainly(this.#strings, chunk, found)
  }

  /** Copies one part after the other into the area; a part ends with a line. */
  #searchCopies(area: SearchArea, chunk: Buffer, found: OnFound): number {
    const data = LAYOUT.end + TABLE_BYTES
    let lines = 0
    for (let from = 0; from < chunk.length; ) {
      const whole = chunk.subarray(from, Math.min(chunk.length, from + COPY_BYTES))
      const last = whole.lastIndexOf(LF)
      if (last < 0) {
        // No server writes a line of that length.
        const end = chunk.indexOf(LF, from)
        if (end < 0) break
        lines++
        from = end + 1
        continue
      }
      area.bytes.set(whole.subarray(0, last + 1), data)
      const [base, before] = [from - data, lines]
      lines += searchArea(area, data, data + last + 1, LAYOUT.end, data, (start, end, string, linesBefore) =>
        found(start + base, end + base, string, linesBefore + before),
      )
      from += last + 1
    }
    return lines
  }
}

/** Searches `[at, end)` of an area to its end, however many records there are. Addresses are told. Returns the number of its lines. */
export function searchArea(area: SearchArea, at: number, end: number, table: number, tableEnd: number, found: OnFound) {
  let result = area.search(at, end, at, table, tableEnd)
  for (;;) {
    tellRecords(result, found)
    if (result.goOn >= end) return result.lines
    result = area.search(result.goOn, end, at, table, tableEnd, result)
  }
}

/** Tells of each record. */
export function tellRecords({ records, count }: AreaResult, found: OnFound): void {
  for (let i = 0; i < count * 4; i += 4) {
    found(records[i] as number, records[i + 1] as number, records[i + 2] as number, records[i + 3] as number)
  }
}

function searchPlainly(strings: readonly Buffer[], chunk: Buffer, found: OnFound): number {
  const places = strings.map((string) => chunk.indexOf(string))
  let [lines, counted] = [0, 0]
  const countTo = (offset: number) => {
    for (let at = chunk.indexOf(LF, counted); at >= 0 && at < offset; at = chunk.indexOf(LF, at + 1)) lines++
    counted = offset
    return lines
  }
  let [start, end] = [0, -1]
  for (;;) {
    const place = Math.min(...places.filter((each) => each >= 0))
    if (place === Number.POSITIVE_INFINITY) return countTo(chunk.length)
    if (place > end) {
      start = chunk.lastIndexOf(LF, place) + 1
      end = chunk.indexOf(LF, place)
      if (end < 0) return countTo(chunk.length)
    }
    const string = places.indexOf(place)
    found(start, end, string, countTo(place))
    places[string] = chunk.indexOf(strings[string] as Buffer, place + 1)
  }
}

/** What searches for the same strings share. */
interface PreparedSearch {
  readonly plan: SearchPlan
  /** Made when it is first used; `none` where none can be. */
  area?: SearchArea | 'none'
}

/** The last few sets of strings: each log of a daemon is searched for the same. */
const prepared = new Map<string, PreparedSearch>()
const MOST_PREPARED = 8

function prepareSearch(strings: readonly Buffer[]): PreparedSearch {
  const key = strings.map((bytes) => bytes.toString('latin1')).join('\n')
  const known = prepared.get(key)
  if (known !== undefined) return known
  if (prepared.size >= MOST_PREPARED) prepared.clear()
  const made: PreparedSearch = { plan: planSearch(strings) }
  prepared.set(key, made)
  return made
}

/** One string with its window. */
interface PlannedString {
  readonly bytes: Buffer
  readonly number: number
  /** Where its window stands in it. */
  readonly offset: number
  readonly window: number
}

/** How to look for a set of strings. */
interface SearchPlan {
  readonly method: SearchMethod
  readonly strings: readonly PlannedString[]
  /** The windows, each once, as numbers of three bytes, the first the lowest. */
  readonly windows: readonly number[]
}

/** Characters of mail logs from rare to frequent; what is not among them counts as rarer still. */
const FREQUENT = 'QXZJKVYWUGHNBCFLOMPRTIEDSA"()[]<>qjzkxvwyb_/@+=gfhpucdmlrinsoate,-:. 0123456789'

function frequency(byte: number | undefined): number {
  return FREQUENT.indexOf(String.fromCharCode(byte ?? 0)) + 2
}

/** Chooses a window for each string: such as are rare in logs, and stand in many of the strings. */
function planSearch(strings: readonly Buffer[]): SearchPlan {
  const planned = new Map<number, PlannedString>()
  const windows: number[] = []
  for (const [window, places] of windowsByWorth(strings)) {
    const open = places.filter(({ number }) => !planned.has(number))
    if (open.length > 0) windows.push(window)
    for (const { number, offset } of open) {
      planned.set(number, { bytes: strings[number] as Buffer, number, offset, window })
    }
  }
  const method = windows.length >= 1 && windows.length <= MOST_PAIRS ? (windows.length as 1 | 2 | 3) : 'tables'
  return { method, strings: [...planned.values()], windows }
}

interface WindowPlace {
  readonly number: number
  readonly offset: number
}

/** All windows of the strings with the first place of each in each, the best first. */
function windowsByWorth(strings: readonly Buffer[]): (readonly [number, readonly WindowPlace[]])[] {
  const places = new Map<number, WindowPlace[]>()
  for (const [number, bytes] of strings.entries()) {
    for (let offset = 0; offset + WINDOW_BYTES <= bytes.length; offset++) {
      const window = bytes.readUIntLE(offset, WINDOW_BYTES)
      const known = places.get(window)
      if (known === undefined) places.set(window, [{ number, offset }])
      else if (known.at(-1)?.number !== number) known.push({ number, offset })
    }
  }
  const worth = new Map([...places].map(([window, { length }]) => [window, length / cost(window)]))
  return [...places].sort(([a], [b]) => (worth.get(b) ?? 0) - (worth.get(a) ?? 0))
}

/** The first and the third byte decide most. */
function cost(window: number): number {
  const [first, second, third] = [window & 255, (window >> 8) & 255, window >> 16]
  return frequency(first) * frequency(third) * (8 + frequency(second))
}

function writeTables(memory: Buffer, plan: SearchPlan): void {
  if (plan.method === 'tables') writeHalves(memory, plan.windows)
  else {
    for (const [i, window] of plan.windows.entries()) {
      memory.fill(window & 255, LAYOUT.pairs + i * 32, LAYOUT.pairs + i * 32 + 16)
      memory.fill(window >> 16, LAYOUT.pairs + i * 32 + 16, LAYOUT.pairs + i * 32 + 32)
    }
  }
  writeLists(memory, plan.strings)
}

/** Eight buckets; windows that are alike share one, so that few others pass. */
function writeHalves(memory: Buffer, windows: readonly number[]): void {
  const sorted = windows.toSorted((a, b) => (a & 255) - (b & 255) || (a >> 16) - (b >> 16))
  for (const [i, window] of sorted.entries()) {
    const bucket = 1 << Math.floor((i * 8) / sorted.length)
    for (let byte = 0; byte < WINDOW_BYTES; byte++) {
      const value = (window >> (8 * byte)) & 255
      const table = LAYOUT.halves + byte * 32
      for (const at of [table + (value & 15), table + 16 + (value >> 4)]) memory[at] = (memory[at] as number) | bucket
    }
  }
}

/** True where the tables hold these strings: each has an entry, and each list one more that ends it. */
function hasRoom(strings: readonly PlannedString[]): boolean {
  const entries = strings.length + groupByHash(strings).size
  const bytes = strings.reduce((sum, each) => sum + each.bytes.length, 0)
  return LAYOUT.lists + entries * ENTRY_BYTES <= LAYOUT.strings && LAYOUT.strings + bytes <= LAYOUT.end
}

function writeLists(memory: Buffer, strings: readonly PlannedString[]): void {
  let [list, string]: [number, number] = [LAYOUT.lists, LAYOUT.strings]
  for (const [hash, entries] of groupByHash(strings)) {
    memory.writeUInt16LE(list, LAYOUT.hashes + hash * 2)
    for (const { bytes, number, offset, window } of entries) {
      memory.writeUInt32LE(window, list)
      memory.writeUInt16LE(string, list + 4)
      memory[list + 6] = bytes.length
      memory[list + 7] = offset
      memory.writeUInt16LE(number, list + 8)
      memory.set(bytes, string)
      list += ENTRY_BYTES
      string += bytes.length
    }
    memory.writeInt32LE(-1, list)
    list += ENTRY_BYTES
  }
}

function groupByHash(strings: readonly PlannedString[]): Map<number, PlannedString[]> {
  const groups = new Map<number, PlannedString[]>()
  for (const string of strings) {
    const hash = hashOf(string.window)
    groups.set(hash, [...(groups.get(hash) ?? []), string])
  }
  return groups
}
