/**
 * Takes syslog messages out of a stream of bytes: RFC 6587, octet counting (3.4.1, all that RFC 5425 allows) and lines ended by LF (3.4.2),
 * told apart by the first byte of each frame. Pure; whatever the bytes are, what it holds is bounded by the longest frame.
 */

const LF = 10
const SPACE = 32
const DIGIT_0 = 48
const DIGIT_1 = 49
const DIGIT_9 = 57
const LESS_THAN = 60
/** A frame of more digits than this is no syslog: its bytes are not waited for. */
const MOST_DIGITS = 7

/** Which framing a sender may use. */
export type Framing = 'either' | 'octet-counting'

/** Limits of a {@link FrameDecoder}. */
interface FrameOptions {
  readonly framing: Framing
  /** Longer frames are left out. */
  readonly maxFrameBytes: number
}

type State =
  /** Before the first byte of a frame. */
  | 'between'
  /** In the digits of a length. */
  | 'length'
  /** In a frame of known length; in one that ends with LF; in such frames that are too long. */
  | 'counted'
  | 'line'
  | 'long-counted'
  | 'long-line'

/** The frames of one connection, in whatever pieces its bytes come. */
export class FrameDecoder {
  readonly #options: FrameOptions
  #state: State = 'between'
  /** Bytes of the frame that are still to come (octet counting), or the length read so far. */
  #left = 0
  #held: Buffer | undefined
  #heldBytes = 0
  #wasCounted = false
  #broken: string | undefined

  constructor(options: FrameOptions) {
    this.#options = options
  }

  /** True within a frame. */
  get partial(): boolean {
    return this.#state !== 'between'
  }

  /** Why the bytes are no syslog; nothing more comes of them, and the connection should be closed. */
  get broken(): string | undefined {
    return this.#broken
  }

  /**
   * The frames that end in `bytes`, without length and LF; undefined stands for one that was too long. A frame may hold any bytes, LF too
   * (octet counting). It may lie in `bytes`, and is valid until the next is asked for.
   */
  *push(bytes: Buffer): Generator<Buffer | undefined> {
    for (let at = 0; at < bytes.length && this.#broken === undefined; ) {
      if (this.#state === 'between') at = this.#begin(bytes, at)
      else if (this.#state === 'length') at = this.#readLength(bytes, at)
      else {
        const end = this.#end(bytes, at)
        const isWhole = this.#state.endsWith('line') ? end < bytes.length : this.#left === 0
        const frame = this.#take(bytes, at, end, isWhole)
        at = isWhole && this.#state.endsWith('line') ? end + 1 : end
        if (!isWhole) continue
        this.#wasCounted = this.#state.endsWith('counted')
        this.#state = 'between'
        if (this.#wasCounted && frame !== undefined && frame[0] !== LESS_THAN)
          this.#break('a frame that begins without <')
        else if (frame === undefined || frame.length > 0) yield frame
      }
    }
  }

  #break(why: string): void {
    this.#broken = why
    this.#held = undefined
  }

  #begin(bytes: Buffer, at: number): number {
    const byte = bytes[at] as number
    this.#heldBytes = 0
    if (byte >= DIGIT_1 && byte <= DIGIT_9) {
      this.#state = 'length'
      this.#left = 0
      return at
    }
    if (this.#options.framing === 'octet-counting')
      this.#break('a frame without its length (octet counting is needed here)')
    else if (byte === LF) return at + 1
    // Behind a length that was wrong, text that anybody chose would be taken for the beginning of a message.
    else if (this.#wasCounted && byte !== LESS_THAN) this.#break('neither a length nor < behind a frame')
    else this.#state = 'line'
    return at
  }

  #readLength(bytes: Buffer, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte >= DIGIT_0 && byte <= DIGIT_9 && this.#heldBytes < MOST_DIGITS) {
        this.#left = this.#left * 10 + byte - DIGIT_0
        this.#hold(bytes, at, at + 1)
        continue
      }
      if (byte === SPACE) {
        this.#heldBytes = 0
        this.#state = this.#left > this.#options.maxFrameBytes ? 'long-counted' : 'counted'
        return at + 1
      }
      // A line that begins with digits: it is no message, and lasts until its LF.
      if (this.#options.framing === 'either' && !this.#wasCounted) this.#state = 'line'
      else this.#break('a length that does not end with a blank')
      return at
    }
    return bytes.length
  }

  /** Where the frame that `bytes` go on with ends, or where they end. */
  #end(bytes: Buffer, at: number): number {
    if (this.#state === 'line' || this.#state === 'long-line') {
      const found = bytes.indexOf(LF, at)
      return found < 0 ? bytes.length : found
    }
    const count = Math.min(this.#left, bytes.length - at)
    this.#left -= count
    return at + count
  }

  /** The frame, where it is whole and not too long; otherwise its bytes are held, or left out. */
  #take(bytes: Buffer, start: number, end: number, isWhole: boolean): Buffer | undefined {
    if (this.#state.startsWith('long')) return undefined
    if (this.#heldBytes + end - start > this.#options.maxFrameBytes) {
      this.#state = 'long-line'
      return undefined
    }
    if (isWhole && this.#heldBytes === 0) return bytes.subarray(start, end)
    this.#hold(bytes, start, end)
    return isWhole ? this.#held?.subarray(0, this.#heldBytes) : undefined
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    this.#held ??= Buffer.allocUnsafe(this.#options.maxFrameBytes + MOST_DIGITS)
    bytes.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes += end - start
  }
}
