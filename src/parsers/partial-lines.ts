/**
 * Tells whole lines of a container's output from the rest of long ones. Kubernetes (CRI) writes a line of more than 16 KiB in parts, `P` but
 * for the last, which has the `F` of a whole line: that begins wherever the part before ended, with text that a client may have chosen.
 */

const LF = 10
/** A runtime writes the parts of a line at once: more lines of the other stream than these do not stand between them. */
const MOST_BETWEEN = 50
const HEAD_BYTES = 60
const LONGEST_TIME = 40

type Stream = 'stdout' | 'stderr'
const STREAMS: readonly Stream[] = ['stdout', 'stderr']

/** Remembers from chunk to chunk of one log whose lines are not yet whole. */
export class PartialLines {
  #chunk: Buffer = Buffer.alloc(0)
  /** Streams whose last line before the chunk was a part. */
  #open: ReadonlySet<Stream> = new Set()

  /** Begins a chunk of whole lines, and ends the one before. */
  enter(chunk: Buffer): void {
    this.leave()
    this.#chunk = chunk
  }

  /** True where the line at this offset of the chunk, which begins with `head`, is the last part of a longer one. */
  isRest(head: string, start: number): boolean {
    const [stream, flag] = readHead(head) ?? []
    return stream !== undefined && flag === 'F' && this.#isOpen(stream, start)
  }

  /** Ends the chunk; a second time does nothing. */
  leave(): void {
    const chunk = this.#chunk
    if (chunk.length === 0) return
    const open = new Set(STREAMS.filter((stream) => this.#isOpen(stream, chunk.length)))
    this.#chunk = Buffer.alloc(0)
    this.#open = open
  }

  /** Whether the last line of `stream` in front of `end`, not too far from there, is a part. */
  #isOpen(stream: Stream, end: number): boolean {
    const chunk = this.#chunk
    for (let count = 0, at = end; count < MOST_BETWEEN; count++) {
      if (at === 0) return this.#open.has(stream)
      const start = chunk.lastIndexOf(LF, at - 2) + 1
      const [found, flag] = readHead(chunk.toString('latin1', start, Math.min(at, start + HEAD_BYTES))) ?? []
      if (found === undefined) return false
      if (found === stream) return flag === 'P'
      at = start
    }
    return false
  }
}

/** `2026-11-22T12:35:56.123456789Z stdout F `. */
function readHead(head: string): readonly [Stream, string] | undefined {
  const blank = head.indexOf(' ')
  if (blank < 20 || blank > LONGEST_TIME || head[10] !== 'T') return undefined
  const stream = STREAMS.find((name) => head.startsWith(`${name} `, blank + 1))
  const flag = stream === undefined ? undefined : head[blank + 8]
  return stream === undefined || flag === undefined ? undefined : [stream, flag]
}
