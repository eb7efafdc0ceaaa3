/**
 * The machine code of the line search. It looks at 64 bytes at once for places where one of a set of strings may stand: at each string's
 * window, three bytes of it that are rare in logs. With few windows two of their bytes are compared; with many, the two halves of each byte
 * are looked up in tables of 16 entries (the "shuffle" search of G. Langdale's Teddy). Only what passes is compared in full. Line ends are
 * counted on the way.
 */
import {
  block,
  type Code,
  giveBack,
  I32,
  I64,
  i32,
  i64,
  leave,
  leaveIf,
  loop,
  moduleOf,
  set,
  V128,
  Variables,
  v128,
  when,
} from './wasm-code.ts'

/** Bytes of a window. */
export const WINDOW_BYTES = 3
/** Bytes that are looked at behind the end, at most; what stands there does not matter. */
export const OVERRUN_BYTES = 128
/** Most windows that are compared one by one. */
export const MOST_PAIRS = 3

/** Where the tables lie in the memory, in bytes. */
export const LAYOUT = {
  /** Of each window that is compared: its two bytes, 16 times each; 32 bytes a window. */
  pairs: 0,
  /** Of each byte of a window two tables of 16: which buckets have a byte with this lower, this upper half; 32 bytes a byte of the window. */
  halves: 128,
  /** For each hash of a window where its list of strings starts, 2 bytes, 0: nowhere. */
  hashes: 1024,
  /** Lists of strings; each entry {@link ENTRY_BYTES}, closed by a window of -1. */
  lists: 1024 + 8192,
  /** The strings. */
  strings: 32 * 1024,
  end: 64 * 1024,
} as const

/** An entry: window (4), address (2) of the string, its length (1), where the window stands in it (1), its number (2), unused (2). */
export const ENTRY_BYTES = 12
const HASH_BITS = 12
const HASH_FACTOR = 0x9e3779b1 | 0

/** The place of a window in `hashes`: 0 to 4095. */
export function hashOf(window: number): number {
  return Math.imul(window, HASH_FACTOR) >>> (32 - HASH_BITS)
}

/** The bytes in front of the records: how many there are, line ends so far; 8 more are not used. Each 4 bytes. */
export const HEADER_BYTES = 16
/** A record: where its line starts, where it ends (its LF), number of the string, line ends before the string. Each 4 bytes. */
export const RECORD_BYTES = 16

/** How candidates are found: that many windows compared one by one, or all at once by tables. */
export type SearchMethod = 1 | 2 | 3 | 'tables'

/**
 * `search(at, end, floor, table, tableEnd)`: looks for the strings in [at, end), of which none starts before `floor`. Writes records behind
 * the header at `table`, in the order of their places, until there is no room before `tableEnd`. Returns where to go on: `end` where all is
 * done. A string in a line without an end is left out, as is all behind it.
 */
export function searchModuleBytes(method: SearchMethod, sharedPages?: number): Uint8Array<ArrayBuffer> {
  const { all, types } = variables()
  const body = searchCode(all, method)
  return moduleOf({ name: 'search', parameters: 5, variables: types, body }, sharedPages)
}

function variables() {
  return new Variables({
    ...{ at: I32, end: I32, floor: I32, table: I32, tableEnd: I32 },
    ...{
      next: I32,
      lines: I32,
      linesBefore: I32,
      blocks: I32,
      place: I32,
      entry: I32,
      window: I32,
      first: I32,
      lineStart: I32,
      i: I32,
      lineEnd: I32,
    },
    ...{ candidates: I64, valid: I64 },
    ...{ a1: V128, b1: V128, a2: V128, b2: V128, a3: V128, b3: V128, bytes: V128 },
    ...{ fits0: V128, fits16: V128, fits32: V128, fits48: V128, counts: V128 },
  })
}

type Vars = ReturnType<typeof variables>['all']

const LINE_FEED = v128.splat(i32.const(10))
const QUARTERS = [0, 16, 32, 48] as const
/** Each byte of a vector counts at most 4 line ends of 64 bytes, and can hold 255. */
const MOST_BLOCKS = 63

function searchCode(v: Vars, method: SearchMethod): Code {
  const fits = [v.fits0, v.fits16, v.fits32, v.fits48]
  return [
    set(v.next, i32.add(v.table, i32.const(HEADER_BYTES))),
    set(v.lines, i32.load(v.table, 4)),
    set(v.valid, i64.const(-1)),
    set(v.lineEnd, v.floor),
    method === 'tables' ? [] : loadPairs(v, method),
    block(
      loop(
        leaveIf(1, i32.isAtLeast(v.at, v.end)),
        QUARTERS.map((offset, i) =>
          set(fits[i] as Code, method === 'tables' ? fitTables(v, offset) : fitPairs(v, offset, method)),
        ),
        when(i32.isLess(i32.sub(v.end, v.at), i32.const(64)), set(v.valid, bitsBelow(i32.sub(v.end, v.at)))),
        when(
          v128.isAnySet(v128.or(v128.or(v.fits0, v.fits16), v128.or(v.fits32, v.fits48))),
          set(v.candidates, i64.and(bitsOf(fits.map(method === 'tables' ? isNotZero : (each) => each)), v.valid)),
          compareCandidates(v),
        ),
        countLineEnds(v),
        set(v.at, i32.add(v.at, i32.const(64))),
        leave(0),
      ),
    ),
    sumCounts(v),
    writeHeader(v, v.lines),
    v.end,
  ]
}

const isNotZero = (vector: Code) => v128.differ(vector, v128.splat(i32.const(0)))

/** Of the 64 bytes at `at`: 16 counts at a time, which are summed up before one of them can overflow. */
function countLineEnds(v: Vars): Code {
  const count = QUARTERS.map((offset) => set(v.counts, v128.subBytes(v.counts, lineEndsAt(v, offset))))
  return block(
    when(
      i64.differ(v.valid, i64.const(-1)),
      set(v.lines, i32.add(v.lines, i32.of64(i64.countOnes(i64.and(lineEndBits(v), v.valid))))),
      leave(1),
    ),
    count,
    set(v.blocks, i32.add(v.blocks, i32.const(1))),
    when(i32.equal(v.blocks, i32.const(MOST_BLOCKS)), sumCounts(v)),
  )
}

function sumCounts(v: Vars): Code {
  const sums = v128.addPairs16(v128.addPairs8(v.counts))
  return [
    set(v.counts, sums),
    [0, 1, 2, 3].map((lane) => set(v.lines, i32.add(v.lines, v128.lane32(v.counts, lane)))),
    set(v.counts, v128.splat(i32.const(0))),
    set(v.blocks, i32.const(0)),
  ]
}

const lineEndsAt = (v: Vars, offset: number) => v128.equal(v128.load(v.at, offset), LINE_FEED)
/** Where line ends stand in the 64 bytes at `at`. */
const lineEndBits = (v: Vars) => bitsOf(QUARTERS.map((offset) => lineEndsAt(v, offset)))

/** One bit for each of 64 bytes. */
function bitsOf(vectors: readonly Code[]): Code {
  const bits = vectors.map((vector, i) => i64.shiftLeft(i64.of32(v128.bits(vector)), i64.const(16 * i)))
  return bits.reduce((left, right) => i64.or(left, right))
}

/** The lowest `count` (less than 64) of 64 bits. */
function bitsBelow(count: Code): Code {
  return i64.sub(i64.shiftLeft(i64.const(1), i64.of32(count)), i64.const(1))
}

function pairsOf(v: Vars, count: number): (readonly [Code, Code])[] {
  const all: (readonly [Code, Code])[] = [
    [v.a1, v.b1],
    [v.a2, v.b2],
    [v.a3, v.b3],
  ]
  return all.slice(0, count)
}

function loadPairs(v: Vars, count: number): Code {
  return pairsOf(v, count).map(([a, b], i) => [
    set(a, v128.load(i32.const(0), LAYOUT.pairs + i * 32)),
    set(b, v128.load(i32.const(0), LAYOUT.pairs + i * 32 + 16)),
  ])
}

/** The bytes at `at + offset` and the next ones, compared with the first and the third byte of each window. */
function fitPairs(v: Vars, offset: number, count: number): Code {
  return pairsOf(v, count)
    .map(([a, b]) =>
      v128.and(v128.equal(v128.load(v.at, offset), a), v128.equal(v128.load(v.at, offset + WINDOW_BYTES - 1), b)),
    )
    .reduce((left, right) => v128.or(left, right))
}

/** For each place the buckets (bits) that have a window whose bytes have these halves. */
function fitTables(v: Vars, offset: number): Code {
  const half = v128.splat(i32.const(15))
  const bucketsOf = (i: number) => [
    set(v.bytes, v128.load(v.at, offset + i)),
    v128.and(
      v128.lookUp(v128.load(i32.const(0), LAYOUT.halves + i * 32), v128.and(v.bytes, half)),
      v128.lookUp(v128.load(i32.const(0), LAYOUT.halves + i * 32 + 16), v128.shiftBytesRight(v.bytes, i32.const(4))),
    ),
  ]
  return v128.and(v128.and(bucketsOf(0), bucketsOf(1)), bucketsOf(2))
}

/** Goes through the candidates of the 64 bytes at `at`. */
function compareCandidates(v: Vars): Code {
  return block(
    loop(
      leaveIf(1, i64.isZero(v.candidates)),
      set(v.place, i32.add(v.at, i32.of64(i64.trailingZeros(v.candidates)))),
      set(v.candidates, i64.and(v.candidates, i64.sub(v.candidates, i64.const(1)))),
      set(v.window, i32.and(i32.load(v.place), i32.const(0xffffff))),
      set(v.entry, listOf(v.window)),
      leaveIf(0, i32.isZero(v.entry)),
      loop(
        when(i32.equal(i32.load(v.entry), v.window), compareWhole(v)),
        set(v.entry, i32.add(v.entry, i32.const(ENTRY_BYTES))),
        leaveIf(0, i32.differ(i32.load(v.entry), i32.const(-1))),
      ),
      leave(0),
    ),
  )
}

function listOf(window: Code): Code {
  const hash = i32.shiftRight(i32.mul(window, i32.const(HASH_FACTOR)), i32.const(32 - HASH_BITS))
  return i32.load16(i32.mul(hash, i32.const(2)), LAYOUT.hashes)
}

/** Compares the string of `entry`, and records it. */
function compareWhole(v: Vars): Code {
  const [address, length] = [i32.load16(v.entry, 4), i32.load8(v.entry, 6)]
  return block(
    set(v.first, i32.sub(v.place, i32.load8(v.entry, 7))),
    leaveIf(0, i32.isLess(v.first, v.floor)),
    leaveIf(0, i32.isGreater(i32.add(v.first, length), v.end)),
    set(v.i, i32.const(0)),
    loop(
      leaveIf(1, i32.differ(i32.load8(i32.add(v.first, v.i)), i32.load8(i32.add(address, v.i)))),
      set(v.i, i32.add(v.i, i32.const(1))),
      leaveIf(0, i32.isLess(v.i, length)),
    ),
    sumCounts(v),
    set(
      v.linesBefore,
      i32.add(v.lines, i32.of64(i64.countOnes(i64.and(lineEndBits(v), bitsBelow(i32.sub(v.place, v.at)))))),
    ),
    findLine(v),
    // No line end stands behind the place: all that are left have been seen.
    when(i32.isAtLeast(v.lineEnd, v.end), writeHeader(v, v.linesBefore), giveBack(v.end)),
    // There is no room: the search goes on at the place itself.
    when(
      i32.isGreater(i32.add(v.next, i32.const(RECORD_BYTES)), v.tableEnd),
      writeHeader(v, v.linesBefore),
      giveBack(v.place),
    ),
    i32.store(v.next, v.lineStart, 0),
    i32.store(v.next, v.lineEnd, 4),
    i32.store(v.next, i32.load16(v.entry, 8), 8),
    i32.store(v.next, v.linesBefore, 12),
    set(v.next, i32.add(v.next, i32.const(RECORD_BYTES))),
  )
}

/**
 * From `place` to both ends of its line: to behind the line end before it, or `floor`, and to its own, or `end`. Once for each line, however
 * many strings stand in it.
 */
function findLine(v: Vars): Code {
  const back = [
    leaveIf(1, i32.equal(v.lineStart, v.floor)),
    leaveIf(1, i32.equal(i32.load8(i32.sub(v.lineStart, i32.const(1))), i32.const(10))),
    set(v.lineStart, i32.sub(v.lineStart, i32.const(1))),
    leave(0),
  ]
  const forward = [
    leaveIf(1, i32.isAtLeast(v.lineEnd, v.end)),
    leaveIf(1, i32.equal(i32.load8(v.lineEnd), i32.const(10))),
    set(v.lineEnd, i32.add(v.lineEnd, i32.const(1))),
    leave(0),
  ]
  return when(
    i32.isAtLeast(v.place, v.lineEnd),
    set(v.lineStart, v.first),
    set(v.lineEnd, v.place),
    block(loop(...back)),
    block(loop(...forward)),
  )
}

function writeHeader(v: Vars, lines: Code): Code {
  const bytes = i32.sub(v.next, i32.add(v.table, i32.const(HEADER_BYTES)))
  return [i32.store(v.table, i32.shiftRight(bytes, i32.const(4)), 0), i32.store(v.table, lines, 4)]
}
