/** Joins the two lines of a login that servers such as popa3d write: first the client's address, then the user, by process. */
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'

/** More sessions than this between connection and login are not kept: the oldest is forgotten. */
const MOST_PENDING = 10_000
/** Longest time between the two lines, by the times of the lines. popa3d itself gives a client 3 minutes. */
const LONGEST_WAIT_MS = 600_000
/** Lines of one process may be stamped this much out of order. */
const DISORDER_MS = 2_000
const LONGEST_KEY = 400

/** What is kept of one connection: the process that took it, the address, and the time of the line (Unix milliseconds). */
export type PendingConnection = readonly [key: string, address: string, atMs: number]

/** Connections that wait for their login. Bounded in number and age. */
export class LineJoiner {
  readonly #pending = new Map<string, { readonly address: ClientAddress; readonly atMs: number }>()

  /** Number of connections that wait. */
  get size(): number {
    return this.#pending.size
  }

  /** Remembers the address of a process's connection in place of an earlier one. */
  connect(key: string, address: ClientAddress, atMs: number): void {
    if (key.length > LONGEST_KEY) return
    this.#pending.delete(key)
    if (this.#pending.size >= MOST_PENDING) this.#forgetOldest()
    this.#pending.set(key, { address, atMs })
  }

  /** The address of the process's connection, once; undefined where none was seen, or too long ago. */
  take(key: string, atMs: number): ClientAddress | undefined {
    const found = this.#pending.get(key)
    if (found === undefined) return undefined
    this.#pending.delete(key)
    const waitedMs = atMs - found.atMs
    return waitedMs <= LONGEST_WAIT_MS && waitedMs >= -DISORDER_MS ? found.address : undefined
  }

  /** Forgets the process's connection. */
  forget(key: string): void {
    this.#pending.delete(key)
  }

  #forgetOldest(): void {
    for (const key of this.#pending.keys()) {
      this.#pending.delete(key)
      return
    }
  }

  /** Plain JSON of what waits, without what is too old at `newestMs`, oldest first. */
  snapshot(newestMs: number): PendingConnection[] {
    const kept: PendingConnection[] = []
    for (const [key, { address, atMs }] of this.#pending) {
      if (newestMs - atMs <= LONGEST_WAIT_MS) kept.push([key, address, atMs])
    }
    return kept
  }

  /** Takes a snapshot back, in place of what waits now. What is not of that shape is left out: it was stored, and storage can be damaged. */
  restore(snapshot: unknown): void {
    this.#pending.clear()
    if (!Array.isArray(snapshot)) return
    for (const item of snapshot.slice(-MOST_PENDING)) {
      const [key, text, atMs] = Array.isArray(item) ? (item as unknown[]) : []
      const address = typeof text === 'string' ? parseClientAddress(text) : undefined
      if (typeof key === 'string' && address !== undefined && Number.isSafeInteger(atMs))
        this.connect(key, address, atMs as number)
    }
  }
}

/** Names the process that wrote a line; undefined without a PID. No name can hold the separator, a control character. */
export function processKey(server: string, host: string, program: string, pid: number | undefined): string | undefined {
  return pid === undefined ? undefined : `${server}\t${host}\t${program}\t${pid}`
}
