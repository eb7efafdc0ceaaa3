/**
 * Remembers lines that a full buffer cut. Courier, for one, sends the rest of such a line as lines of their own, and what stands in them
 * was chosen by a client: for a while no login of the same process counts.
 */

/** The rest comes at once; so much later, by the times of the lines, it has certainly come. */
const REACH_MS = 5_000
/** More processes than this at a time are not kept: the oldest is forgotten. */
const MOST_KEPT = 1_000

/** A cut line as plain JSON: who wrote it, and when (Unix milliseconds). */
export type StoredCut = readonly [key: string, atMs: number]

/** Who wrote a line that was cut, and when. Bounded. */
export class CutLines {
  readonly #cutAtMs = new Map<string, number>()

  /** Remembers a line that was cut. */
  add(key: string, atMs: number): void {
    this.#cutAtMs.delete(key)
    for (const oldest of this.#cutAtMs.keys()) {
      if (this.#cutAtMs.size < MOST_KEPT) break
      this.#cutAtMs.delete(oldest)
    }
    this.#cutAtMs.set(key, atMs)
  }

  /** True where a line of this moment may be the rest of one that was cut. */
  mayContinue(key: string, atMs: number): boolean {
    const cutAtMs = this.#cutAtMs.get(key)
    return cutAtMs !== undefined && Math.abs(atMs - cutAtMs) <= REACH_MS
  }

  get isEmpty(): boolean {
    return this.#cutAtMs.size === 0
  }

  /** Plain JSON of what still matters at `newestMs`. */
  snapshot(newestMs: number): StoredCut[] {
    return [...this.#cutAtMs].filter(([, atMs]) => newestMs - atMs <= REACH_MS)
  }

  /** Takes a snapshot back. What is not of that shape is left out. */
  restore(snapshot: unknown): void {
    this.#cutAtMs.clear()
    if (!Array.isArray(snapshot)) return
    for (const item of snapshot.slice(-MOST_KEPT)) {
      const [key, atMs] = Array.isArray(item) ? (item as unknown[]) : []
      if (typeof key === 'string' && Number.isSafeInteger(atMs)) this.add(key, atMs as number)
    }
  }
}

/** Names who writes: the host, the program and, where the line tells it, the process. */
export function writerKey(
  server: string,
  line: { readonly host: string; readonly program: string; readonly pid?: number },
): string {
  return `${server}\t${line.host}\t${line.program}\t${line.pid ?? ''}`
}
