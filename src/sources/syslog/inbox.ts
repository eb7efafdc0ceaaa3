/** Lines that have come and wait to be taken: bounded, so that whoever brings more waits, or has them refused. */

const LF = 10

/** Two buffers in turn: one is filled while the other, taken last, is looked at. */
export class Inbox {
  #filling: Buffer
  #taken: Buffer
  #bytes = 0
  #waiting: (() => void)[] = []
  #filled: (() => void) | undefined

  /** Holds up to `bytes`, and a line of `maxLineBytes` at least. */
  constructor(bytes: number, maxLineBytes: number) {
    const size = Math.max(bytes, maxLineBytes + 1)
    this.#filling = Buffer.allocUnsafe(size)
    this.#taken = Buffer.allocUnsafe(size)
  }

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** Copies a line (without LF) in; false where there is no room for it now. */
  add(line: Buffer): boolean {
    if (this.#bytes + line.length + 1 > this.#filling.length) return false
    line.copy(this.#filling, this.#bytes)
    this.#filling[this.#bytes + line.length] = LF
    this.#bytes += line.length + 1
    this.#filled?.()
    return true
  }

  /** Resolves when something was taken. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Resolves once a line is there, or something else happened ({@link wake}). */
  wait(): Promise<void> {
    if (!this.isEmpty) return Promise.resolve()
    return new Promise((resolve) => {
      this.#filled = () => {
        this.#filled = undefined
        resolve()
      }
    })
  }

  /** Ends a {@link wait}. */
  wake(): void {
    this.#filled?.()
  }

  /** All lines, each with its LF; valid until the next call. */
  take(): Buffer {
    const lines = this.#filling.subarray(0, this.#bytes)
    const empty = this.#taken
    this.#taken = this.#filling
    this.#filling = empty
    this.#bytes = 0
    for (const resume of this.#waiting.splice(0)) resume()
    return lines
  }
}
