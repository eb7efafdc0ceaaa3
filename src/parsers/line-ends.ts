/**
 * Tells the lines that a server wrote from those that a client made it write. A server that ends its lines with CR LF and writes what clients
 * send may pass on a bare LF: what stands behind it then looks like a line of its own, with everything in it chosen by the client.
 */

const LF = 10
const CR = 13

/** How lines ended so far, as plain JSON: `crlf`, the last one with CR LF; `bare`, others did; `lf`, none did. Absent where none was seen. */
export type StoredLineEnds = 'crlf' | 'bare' | 'lf'

/** Remembers from chunk to chunk of one log how its lines end. */
export class LineEnds {
  /** CR LF stood in an earlier chunk. A log without any (a copy whose line ends were changed) tells nothing. */
  #seen = false
  #wholeBefore = true
  #chunk: Buffer = Buffer.alloc(0)
  /** Offset of the first CR LF in the chunk, -1 where there is none; undefined until asked for. */
  #first: number | undefined

  /** Begins a chunk of whole lines, and ends the one before. */
  enter(chunk: Buffer): void {
    this.leave()
    this.#chunk = chunk
    this.#first = undefined
  }

  /**
   * False where the line at this offset of the chunk, or the line before it, ends with a bare LF although the log has lines that end with
   * CR LF. Linear in the line; the chunk is searched once.
   */
  isWhole(start: number): boolean {
    const chunk = this.#chunk
    const end = chunk.indexOf(LF, start)
    this.#first ??= chunk.indexOf('\r\n')
    // Also where it stands behind the line: the first entry of a new file may be the one that a client broke.
    if (!this.#seen && this.#first < 0) return true
    const before = start === 0 ? this.#wholeBefore : chunk[start - 2] === CR
    return before && end > start && chunk[end - 1] === CR
  }

  /** Ends the chunk; a second time does nothing. */
  leave(): void {
    const chunk = this.#chunk
    this.#chunk = Buffer.alloc(0)
    if (chunk.length === 0) return
    this.#wholeBefore = chunk[chunk.length - 1] === LF && chunk[chunk.length - 2] === CR
    this.#seen ||= this.#wholeBefore || (this.#first ?? chunk.indexOf('\r\n')) >= 0
  }

  snapshot(): StoredLineEnds | undefined {
    if (this.#wholeBefore) return this.#seen ? 'crlf' : undefined
    return this.#seen ? 'bare' : 'lf'
  }

  /** Takes a snapshot back; whatever is none counts as a new log. */
  restore(stored: unknown): void {
    this.#seen = stored === 'crlf' || stored === 'bare'
    this.#wholeBefore = stored !== 'bare' && stored !== 'lf'
  }
}
