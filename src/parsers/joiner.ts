/**
 * Joins the lines of one login that servers such as popa3d and hMailServer write: one tells the client's address, another the user, the
 * last one the success. By process, or by the server's own id of the session.
 */
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'

/** More sessions than this between connection and login are not kept: the oldest is forgotten. */
const MOST_PENDING = 10_000
/** Longest time between the first line and the last, by the times of the lines. popa3d itself gives a client 3 minutes. */
const LONGEST_WAIT_MS = 600_000
/** Lines of one session may be stamped this much out of order. */
const DISORDER_MS = 2_000
const LONGEST_KEY = 400
const LONGEST_USER = 255

/** What lines of a session have told so far (nothing, where it was only announced), and the time of the last of them (Unix milliseconds). */
interface PendingSession {
  readonly address?: ClientAddress
  readonly user?: string
  readonly atMs: number
}

/** A {@link PendingSession} as plain JSON. */
export type StoredSession = readonly [key: string, address: string | null, atMs: number, user?: string]

/** Sessions that wait for their login. Bounded in number and age. */
export class LineJoiner {
  readonly #pending = new Map<string, PendingSession>()

  /** Number of sessions that wait. */
  get size(): number {
    return this.#pending.size
  }

  /** Of the sessions that wait. */
  keys(): Iterable<string> {
    return this.#pending.keys()
  }

  /** Remembers the address of a new session in place of an earlier one of that key. */
  connect(key: string, address: ClientAddress, atMs: number): void {
    this.#put(key, { address, atMs })
  }

  /** Remembers that there is a session. */
  announce(key: string, atMs: number): void {
    this.#put(key, { atMs })
  }

  /** Remembers who tries to log in, beside the address of the session where that is known. */
  attempt(key: string, user: string, atMs: number): void {
    const address = this.take(key, atMs)?.address
    if (user.length > LONGEST_USER) return
    this.#put(key, address === undefined ? { user, atMs } : { address, user, atMs })
  }

  /** What the lines of the session told, once; undefined where none was seen, or too long ago. */
  take(key: string, atMs: number): PendingSession | undefined {
    const found = this.#pending.get(key)
    if (found === undefined) return undefined
    this.#pending.delete(key)
    const waitedMs = atMs - found.atMs
    return waitedMs <= LONGEST_WAIT_MS && waitedMs >= -DISORDER_MS ? found : undefined
  }

  /** Forgets the session. */
  forget(key: string): void {
    this.#pending.delete(key)
  }

  #put(key: string, session: PendingSession): void {
    if (key.length > LONGEST_KEY) return
    this.#pending.delete(key)
    if (this.#pending.size >= MOST_PENDING) this.#forgetOldest()
    this.#pending.set(key, session)
  }

  #forgetOldest(): void {
    for (const key of this.#pending.keys()) {
      this.#pending.delete(key)
      return
    }
  }

  /** Plain JSON of what waits, without what is too old at `newestMs`, oldest first. */
  snapshot(newestMs: number): StoredSession[] {
    const kept: StoredSession[] = []
    for (const [key, { address = null, atMs, user }] of this.#pending) {
      if (newestMs - atMs > LONGEST_WAIT_MS) continue
      kept.push(user === undefined ? [key, address, atMs] : [key, address, atMs, user])
    }
    return kept
  }

  /** Takes a snapshot back, in place of what waits now. What is not of that shape is left out: it was stored, and storage can be damaged. */
  restore(snapshot: unknown): void {
    this.#pending.clear()
    if (!Array.isArray(snapshot)) return
    for (const item of snapshot.slice(-MOST_PENDING)) this.#restoreOne(Array.isArray(item) ? (item as unknown[]) : [])
  }

  #restoreOne([key, text, atMs, user]: readonly unknown[]): void {
    if (typeof key !== 'string' || !Number.isSafeInteger(atMs)) return
    const address = typeof text === 'string' ? parseClientAddress(text) : undefined
    if (text !== null && address === undefined) return
    if (address !== undefined) this.connect(key, address, atMs as number)
    if (typeof user === 'string') this.attempt(key, user, atMs as number)
    else if (address === undefined) this.announce(key, atMs as number)
  }
}

/**
 * Names the session that a line belongs to: by the server's own id, else by the process that wrote it; undefined where it tells neither.
 * No name can hold the separator, a control character.
 */
export function sessionKey(
  server: string,
  line: { readonly host: string; readonly program: string; readonly pid?: number },
  session?: string,
): string | undefined {
  if (session !== undefined) return `${server}\t${line.host}\t\t${session}`
  return line.pid === undefined ? undefined : `${server}\t${line.host}\t${line.program}\t${line.pid}`
}
