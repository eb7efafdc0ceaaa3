/** Cuts a stream of bytes into runs of whole lines, in one reused buffer; a line that is too long is skipped and counted. */

const LF = 10

/** How much is read at a time, and how long a line may be (both without the LF). */
export interface LineBufferOptions {
  /** Bytes of a run at most (default 1 MiB). */
  readonly chunkBytes?: number
  /** Bytes of a line at most (default 1 MiB). */
  readonly maxLineBytes?: number
}

/**
 * Fill {@link space}, say how much with {@link filled}, then {@link take} until it gives nothing more. Offsets count the bytes of the stream.
 * What `take` returned stays valid until the next call of `space`.
 */
export class LineBuffer {
  readonly maxLineBytes: number
  readonly #bytes: Buffer
  /** Stream offset of `#bytes[0]`. */
  #base: number
  #start = 0
  #end = 0
  /** Stream offset where the line that is being skipped begins. */
  #skippingFrom: number | undefined
  #skippedLines = 0

  constructor(offset: number, options: LineBufferOptions = {}) {
    this.maxLineBytes = options.maxLineBytes ?? 1 << 20
    this.#bytes = Buffer.allocUnsafe(Math.max(options.chunkBytes ?? 1 << 20, this.maxLineBytes + 1))
    this.#base = offset
  }

  /** Offset behind the last line that was taken or skipped whole: where to resume. */
  get lineOffset(): number {
    return this.#skippingFrom ?? this.#base + this.#start
  }

  /** Offset of the next byte to be filled in. */
  get nextOffset(): number {
    return this.#base + this.#end
  }

  /** Bytes of the line that still waits for its LF; 0 while a line is being skipped. */
  get heldBytes(): number {
    return this.#end - this.#start
  }

  /** Lines skipped since the last call of this function. */
  takeSkippedLines(): number {
    const count = this.#skippedLines
    this.#skippedLines = 0
    return count
  }

  /** Where to put the next bytes; never empty once `take` has returned nothing. */
  space(): Buffer {
    if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end)
      this.#base += this.#start
      this.#end -= this.#start
      this.#start = 0
    }
    return this.#bytes.subarray(this.#end)
  }

  /** Says that `count` bytes were put into {@link space}. */
  filled(count: number): void {
    this.#end += count
  }

  /** The next run of whole lines, or undefined when none is left. */
  take(): Buffer | undefined {
    for (;;) {
      if (this.#skippingFrom !== undefined && !this.#skip()) return undefined
      const runEnd = this.#runEnd()
      if (runEnd > this.#start) {
        const run = this.#bytes.subarray(this.#start, runEnd)
        this.#start = runEnd
        return run
      }
      if (this.heldBytes <= this.maxLineBytes) return undefined
      this.#skippingFrom = this.lineOffset
    }
  }

  /** Takes in `bytes` of any length and gives the runs of whole lines; each is valid until the next is asked for. */
  *push(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.space(), 0, at)
      this.filled(count)
      at += count
      for (let run = this.take(); run !== undefined; run = this.take()) yield run
    }
  }

  /** True where `take` would give something more (or begin to skip). */
  get hasMore(): boolean {
    return this.heldBytes > this.maxLineBytes || this.#bytes.subarray(this.#start, this.#end).includes(LF)
  }

  /** The last line where the stream ended without an LF; one is added. Undefined where nothing is left. */
  takeUnfinished(): Buffer | undefined {
    if (this.#skippingFrom !== undefined) {
      this.#skippingFrom = undefined
      this.#skippedLines++
      return undefined
    }
    if (this.heldBytes === 0) return undefined
    const room = this.space()
    room[0] = LF
    this.#end++
    return this.take()
  }

  /** Drops the rest of a line that is too long; true once its LF was found. */
  #skip(): boolean {
    const found = this.#bytes.subarray(this.#start, this.#end).indexOf(LF)
    this.#start = found < 0 ? this.#end : this.#start + found + 1
    if (found < 0) return false
    this.#skippingFrom = undefined
    this.#skippedLines++
    return true
  }

  /** Goes in hops of the longest line allowed, so that each hop finds its LF from behind at once. */
  #runEnd(): number {
    let end = this.#start
    while (end < this.#end) {
      const found = this.#bytes.subarray(end, Math.min(end + this.maxLineBytes + 1, this.#end)).lastIndexOf(LF)
      if (found < 0) break
      end += found + 1
    }
    return end
  }
}
