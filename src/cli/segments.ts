/**
 * Reads a plain log file in segments of whole lines and searches each where it was read. A second thread may do that ahead of the first,
 * which then only takes the found lines apart: they share the memory, and each segment is claimed by one of them.
 */
import { readSync } from 'node:fs'
import { type AreaResult, LineSearch, type OnFound, SearchArea, tellRecords } from '../parsers/line-search.ts'
import { LAYOUT } from '../parsers/search-code.ts'

const LF = 10
/** Bytes that a segment adds to what was read before: few enough that all that are in work stay in the processor's cache. */
export const SEGMENT_BYTES = 512 * 1024
/** Bytes read behind a segment for the end of its last line; where it is longer, up to the longest line that can hold a login, and more. */
const OVERLAP_BYTES = 4096
const LONGEST_OVERLAP_BYTES = 64 * 1024
/** Room for what was found in a segment; where there is more, the search goes on when that was taken. */
const TABLE_BYTES = 128 * 1024
const SLOT_BYTES = TABLE_BYTES + SEGMENT_BYTES + LONGEST_OVERLAP_BYTES + 128
/** Segments that the second thread may be ahead. */
const SLOTS_AHEAD = 8
/** How often a thread looks for the other before it sleeps. */
const LOOKS = 500
/** Slots of the first thread: for segments that it searches while it waits for the second, and one for what that could not read. */
const OWN_SLOTS = [0, 1, 2, 3] as const
const SPARE_SLOT = OWN_SLOTS.length
const FIRST_AHEAD = SPARE_SLOT + 1

/** A segment that was searched. */
interface Segment {
  /** The bytes that its lines stand in; they are used again for a later segment. */
  readonly chunk: Buffer
  /** Tells of the found lines, with offsets in `chunk`. Returns the number of lines. */
  tell(found: OnFound): number
  /** Bytes of the file read so far. */
  readonly readBytes: number
}

/** What both threads know: plain data, handed to the second one as it is. */
export interface SegmentPlan {
  readonly fd: number
  /** Bytes of the file. */
  readonly size: number
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  /** Numbers that both change: see {@link CONTROL}. */
  readonly control: Int32Array
}

/** Places in `control`: the next segment to claim, whether to stop, then for each slot of the second thread its numbers. */
const CONTROL = { next: 0, stop: 1, slots: 2 } as const
/** Numbers of a slot: 0 free, 1 done, 2 failed; and what a {@link Searched} holds. */
const SLOT = { state: 0, start: 1, end: 2, goOn: 3, extraLines: 4, size: 5 } as const
const [FREE, DONE, FAILED] = [0, 1, 2] as const

/** What came of one segment. Addresses in the memory. */
interface Searched {
  /** Where its bytes begin, two before its first line where there are earlier ones. */
  readonly start: number
  /** Behind the last LF that was searched. */
  readonly end: number
  /** Where the search goes on: `end`, unless there was no room for all records. */
  readonly goOn: number
  /** Line ends that were searched but belong to the next segment: 0 or 1. */
  readonly extraLines: number
}

/** Makes the plan for a file; undefined where this machine cannot search that way. */
export function planSegments(strings: readonly string[], fd: number, size: number): SegmentPlan | undefined {
  const area = new LineSearch(strings).createArea(SLOT_BYTES * (FIRST_AHEAD + SLOTS_AHEAD), true)
  if (area === undefined) return undefined
  const control = new Int32Array(new SharedArrayBuffer(4 * (CONTROL.slots + SLOT.size * SLOTS_AHEAD)))
  return { fd, size, memory: area.memory, module: area.module, control }
}

/** Number of segments of a file. */
function segmentsOf(size: number): number {
  return Math.ceil(size / SEGMENT_BYTES)
}

/** Reads and searches segments in one thread. */
class Searcher {
  readonly #plan: SegmentPlan
  readonly area: SearchArea

  constructor(plan: SegmentPlan) {
    this.#plan = plan
    this.area = new SearchArea(plan.memory, plan.module)
  }

  /** Where the records of a slot lie, and where its bytes. */
  tableOf(slot: number): { table: number; data: number } {
    const table = LAYOUT.end + slot * SLOT_BYTES
    return { table, data: table + TABLE_BYTES }
  }

  /** @throws what readSync does */
  search(segment: number, slot: number): Searched {
    const { table, data } = this.tableOf(slot)
    const from = segment * SEGMENT_BYTES
    // Its lines are those behind a line end from the last byte of the segment before to the last but one of its own.
    const before = segment === 0 ? 0 : 2
    const { end, extraLines } = this.#readLines(data, from - before, before + SEGMENT_BYTES)
    const at = data + Math.max(0, before - 1)
    if (end <= at) return { start: data, end: data, goOn: data, extraLines: 0 }
    const { goOn } = this.area.search(at, end, at, table, data)
    return { start: data, end, goOn, extraLines }
  }

  /** Reads `length` bytes from `position` on, and on to the end of the line that the last of them belongs to. */
  #readLines(data: number, position: number, length: number): Pick<Searched, 'end' | 'extraLines'> {
    let read = 0
    for (const overlap of [OVERLAP_BYTES, LONGEST_OVERLAP_BYTES]) {
      const wanted = Math.min(length + overlap, this.#plan.size - position)
      read += this.#read(data + read, position + read, wanted - read)
      const isEnd = read < wanted || position + read >= this.#plan.size
      // The last line of a file may have no LF: it gets one.
      const stop = isEnd ? this.#closeLine(data, read) : data + read
      if (isEnd && read <= length) return { end: stop, extraLines: 0 }
      const lineEnd = this.area.bytes.subarray(0, stop).indexOf(LF, data + length - 1)
      if (lineEnd >= 0) return { end: lineEnd + 1, extraLines: 1 }
    }
    // That line is too long, and left out.
    return { end: data + length - 1, extraLines: 0 }
  }

  /** Reads `length` bytes, or what the file has left: it may have been cut meanwhile. */
  #read(data: number, position: number, length: number): number {
    let read = 0
    while (read < length) {
      const bytes = readSync(this.#plan.fd, this.area.bytes, data + read, length - read, position + read)
      if (bytes === 0) break
      read += bytes
    }
    return read
  }

  /** Puts an LF behind the last line where it has none. Returns the end of the bytes. */
  #closeLine(data: number, read: number): number {
    const { bytes } = this.area
    const end = data + read
    if (read === 0 || bytes[end - 1] === LF) return end
    bytes[end] = LF
    return end + 1
  }
}

/** Looks some microseconds long for a change before it sleeps: to be woken takes longer than most segments do. */
function waitWhile(control: Int32Array, at: number, state: number): void {
  for (let look = 0; look < LOOKS; look++) if (Atomics.load(control, at) !== state) return
  Atomics.wait(control, at, state)
}

/** The work of the second thread: searches segments until none is left, or it is told to stop. */
export function searchAhead(plan: SegmentPlan): void {
  const { control, size } = plan
  const searcher = new Searcher(plan)
  for (let turn = 0; ; turn++) {
    const slot = turn % SLOTS_AHEAD
    const at = CONTROL.slots + slot * SLOT.size
    for (let state = Atomics.load(control, at); state !== FREE; state = Atomics.load(control, at)) {
      waitWhile(control, at, state)
    }
    if (Atomics.load(control, CONTROL.stop) !== 0) return
    const segment = Atomics.add(control, CONTROL.next, 1)
    if (segment >= segmentsOf(size)) return
    Atomics.store(control, at, searchInto(searcher, segment, slot, control, at))
    Atomics.notify(control, at)
  }
}

function searchInto(searcher: Searcher, segment: number, slot: number, control: Int32Array, at: number): number {
  try {
    const { start, end, goOn, extraLines } = searcher.search(segment, FIRST_AHEAD + slot)
    control.set([start, end, goOn, extraLines], at + SLOT.start)
    return DONE
  } catch {
    return FAILED // the first thread tries it again, and tells why
  }
}

/** The first thread's side. */
export class SegmentReader {
  readonly #plan: SegmentPlan
  readonly #searcher: Searcher
  /** The next slot of the second thread. */
  #turn = 0
  /** Segments that this thread searched while it waited for an earlier one of the other's, and the slots that they lie in. */
  readonly #ahead = new Map<number, { readonly searched: Searched; readonly slot: number }>()
  readonly #freeSlots: number[] = [...OWN_SLOTS]

  constructor(plan: SegmentPlan) {
    this.#plan = plan
    this.#searcher = new Searcher(plan)
  }

  /** All segments in their order. @throws what readSync does */
  *segments(): Generator<Segment> {
    const { size, control } = this.#plan
    const last = segmentsOf(size)
    try {
      for (let segment = 0; segment < last; segment++) {
        if (Atomics.compareExchange(control, CONTROL.next, segment, segment + 1) === segment) this.#searchOwn(segment)
        const own = this.#ahead.get(segment)
        if (own === undefined) yield* this.#fromOther(segment, last)
        else {
          yield this.#segmentOf(own.searched, segment, own.slot)
          this.#ahead.delete(segment)
          this.#freeSlots.push(own.slot)
        }
      }
    } finally {
      this.#stop()
    }
  }

  *#fromOther(segment: number, last: number): Generator<Segment> {
    const { control } = this.#plan
    const slot = this.#turn++ % SLOTS_AHEAD
    const at = CONTROL.slots + slot * SLOT.size
    while (Atomics.load(control, at) === FREE && this.#searchNext(last)) {}
    while (Atomics.load(control, at) === FREE) waitWhile(control, at, FREE)
    const [start = 0, end = 0, goOn = 0, extraLines = 0] = control.subarray(at + SLOT.start, at + SLOT.size)
    if (Atomics.load(control, at) === DONE) {
      yield this.#segmentOf({ start, end, goOn, extraLines }, segment, FIRST_AHEAD + slot)
    } else yield this.#segmentOf(this.#searcher.search(segment, SPARE_SLOT), segment, SPARE_SLOT)
    Atomics.store(control, at, FREE)
    Atomics.notify(control, at)
  }

  /** Searches the next segment that nobody has claimed; false where there is none, or no slot for it. */
  #searchNext(last: number): boolean {
    if (this.#freeSlots.length === 0) return false
    const segment = Atomics.add(this.#plan.control, CONTROL.next, 1)
    if (segment < last) this.#searchOwn(segment)
    return segment < last
  }

  #searchOwn(segment: number): void {
    const slot = this.#freeSlots.pop() as number
    this.#ahead.set(segment, { searched: this.#searcher.search(segment, slot), slot })
  }

  #segmentOf({ start, end, goOn, extraLines }: Searched, segment: number, slot: number): Segment {
    const { area } = this.#searcher
    const { table, data } = this.#searcher.tableOf(slot)
    const tell = (found: OnFound) => {
      if (start === end) return 0
      const floor = segment === 0 ? start : start + 1
      // A line that begins where the search did began in the segment before, unless that is the beginning of the file.
      const inChunk: OnFound = (lineStart, lineEnd, string, linesBefore) => {
        if (lineStart !== floor || floor === start) found(lineStart - start, lineEnd - start, string, linesBefore)
      }
      let result: AreaResult = area.result(table, goOn)
      for (;;) {
        tellRecords(result, inChunk)
        if (result.goOn >= end) return result.lines - extraLines
        result = area.search(result.goOn, end, floor, table, data, result)
      }
    }
    const readBytes = Math.min(this.#plan.size, (segment + 1) * SEGMENT_BYTES)
    return { chunk: area.bytes.subarray(start, end), tell, readBytes }
  }

  #stop(): void {
    const { control } = this.#plan
    Atomics.store(control, CONTROL.stop, 1)
    for (let slot = 0; slot < SLOTS_AHEAD; slot++) {
      const at = CONTROL.slots + slot * SLOT.size
      Atomics.store(control, at, FREE)
      Atomics.notify(control, at)
    }
  }
}
