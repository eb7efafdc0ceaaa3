/**
 * Remembers lines after which a process may write what a client chose. Courier, for one, sends the rest of a line that a full buffer cut as
 * lines of their own: for a while no login of the same process counts, whatever server's words it has.
 */

/** The rest comes at once; so much later, by the times of the lines, it has certainly come. */
const REACH_MS = 5_000
/** More processes than this at a time are not kept one by one: in place of the oldest, all of its program are doubted. */
const MOST_KEPT = 1_000

/** Such a line as plain JSON: who wrote it, when, and how long it matters (milliseconds). */
export type StoredCut = readonly [key: string, atMs: number, reachMs?: number]

interface Cut {
  readonly atMs: number
  readonly reachMs: number
}

/** Who wrote a line that was cut, and when. Bounded. */
export class CutLines {
  readonly #processes = new Map<string, Cut>()
  readonly #programs = new Map<string, Cut>()

  /** Remembers a line of `key`, a {@link writerKey}. `reachMs`: for how long what follows is doubted, by the times of the lines. */
  add(key: string, atMs: number, reachMs = REACH_MS): void {
    const crowdedOut = put(this.#processes, key, { atMs, reachMs })
    if (crowdedOut === undefined || isOver(crowdedOut[1], atMs)) return
    put(this.#programs, programKey(crowdedOut[0]), crowdedOut[1])
  }

  /** True where a line of this moment may be the rest of one that was cut. */
  mayContinue(key: string, atMs: number): boolean {
    return reaches(this.#processes.get(key), atMs) || reaches(this.#programs.get(programKey(key)), atMs)
  }

  get isEmpty(): boolean {
    return this.#processes.size === 0 && this.#programs.size === 0
  }

  /** Plain JSON of what still matters at `newestMs`. */
  snapshot(newestMs: number): StoredCut[] {
    return [...this.#programs, ...this.#processes]
      .filter(([, cut]) => !isOver(cut, newestMs))
      .map(([key, { atMs, reachMs }]) => (reachMs === REACH_MS ? [key, atMs] : [key, atMs, reachMs]))
  }

  /** Takes a snapshot back. What is not of that shape is left out. */
  restore(snapshot: unknown): void {
    this.#processes.clear()
    this.#programs.clear()
    if (!Array.isArray(snapshot)) return
    for (const item of snapshot.slice(-2 * MOST_KEPT)) {
      const [key, atMs, reachMs = REACH_MS] = Array.isArray(item) ? (item as unknown[]) : []
      if (typeof key !== 'string' || !Number.isSafeInteger(atMs) || !Number.isSafeInteger(reachMs)) continue
      const cut = { atMs: atMs as number, reachMs: reachMs as number }
      put(key === programKey(key) ? this.#programs : this.#processes, key, cut)
    }
  }
}

/** Of two cuts of one writer the one that reaches further counts. Returns the oldest entry where it had to go. */
function put(cuts: Map<string, Cut>, key: string, cut: Cut): [string, Cut] | undefined {
  const known = cuts.get(key)
  cuts.delete(key)
  cuts.set(key, known !== undefined && known.atMs + known.reachMs > cut.atMs + cut.reachMs ? known : cut)
  if (cuts.size <= MOST_KEPT) return undefined
  const [oldest] = cuts
  cuts.delete((oldest as [string, Cut])[0])
  return oldest
}

function reaches(cut: Cut | undefined, atMs: number): boolean {
  return cut !== undefined && !isOver(cut, atMs) && cut.atMs - atMs <= REACH_MS
}

function isOver({ atMs, reachMs }: Cut, nowMs: number): boolean {
  return nowMs - atMs > reachMs
}

/** Names who writes: the host, the program and, where the line tells it, the process. */
export function writerKey(line: { readonly host: string; readonly program: string; readonly pid?: number }): string {
  return `${line.host}\t${line.program}\t${line.pid ?? ''}`
}

/** The same without the process. */
function programKey(key: string): string {
  return key.slice(0, key.lastIndexOf('\t') + 1)
}
