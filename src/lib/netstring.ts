/** Netstrings (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt), read piecemeal with a bound: `5:hello,`. */

/** `payload` as a netstring. */
export function encodeNetstring(payload: string): string {
  return `${Buffer.byteLength(payload, 'latin1')}:${payload},`
}

/**
 * Cuts a stream of bytes into netstrings of at most `maxBytes`. Holds at most one incomplete netstring. Bytes are taken as Latin-1, so
 * that no byte is lost or merged.
 */
export class NetstringDecoder {
  readonly #maxBytes: number
  readonly #maxDigits: number
  #held = ''

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#maxDigits = String(maxBytes).length
  }

  /** True while a netstring has begun and not ended. */
  get partial(): boolean {
    return this.#held !== ''
  }

  /** The payloads that `chunk` completes, in order. `malformed`: what follows them is no netstring; nothing may be read any more. */
  push(chunk: Buffer): { payloads: string[]; malformed: boolean } {
    const text = this.#held + chunk.toString('latin1')
    const payloads: string[] = []
    let at = 0
    for (;;) {
      const length = this.#lengthAt(text, at)
      if (length === 'malformed') return { payloads, malformed: true }
      if (length === 'more') break
      const end = length.start + length.bytes
      if (text.length <= end) break
      if (text[end] !== ',') return { payloads, malformed: true }
      payloads.push(text.slice(length.start, end))
      at = end + 1
    }
    this.#held = text.slice(at)
    return { payloads, malformed: false }
  }

  #lengthAt(text: string, at: number): { bytes: number; start: number } | 'more' | 'malformed' {
    let end = at
    while (end - at <= this.#maxDigits && isDigit(text.charCodeAt(end))) end++
    const digits = text.slice(at, end)
    if (digits.length > this.#maxDigits || (digits.length > 1 && digits[0] === '0')) return 'malformed'
    if (Number(digits) > this.#maxBytes) return 'malformed'
    if (end === text.length) return 'more'
    return digits === '' || text[end] !== ':' ? 'malformed' : { bytes: Number(digits), start: end + 1 }
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
