/** The operator's decisions in force: allows, blocks and revocations, kept in a file of their own beside the table. */
import type { ClientAddress } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import { TableError, UsageError } from '../errors.ts'
import { type DecisionFile, readDecisionFile, writeDecisionFile } from './decision-file.ts'
import type { DecisionView } from './judge.ts'
import { tableAddress } from './policy.ts'
import { storedUser } from './stored-user.ts'

/** Shortest time that a revocation is kept: a window made longer later still finds it. */
const KEEP_REVOCATIONS_MS = 35 * 86_400_000
/** Decisions that the file holds at most. */
const MAX_DECISIONS = 50_000

/** What a decision did to earlier ones. */
export interface DecisionResult {
  /** Decisions that it took the place of or took back, for instance the block that an allow ended. */
  readonly replaced: readonly Decision[]
}

/** Settings that may change at a reload. */
export interface DecisionSettings {
  readonly windowMs: number
  readonly ipv6Prefix: number
}

/**
 * One subject (address or user) has at most one allow or block and one revocation. A block takes an allow back and an allow a block;
 * a revocation of an address takes its allow back. An allow of a user only takes the user's block back: it grants nothing.
 * Calls of `apply` and `revokeAll` must not overlap.
 */
export class DecisionStore implements DecisionView {
  readonly #path: string
  #settings: DecisionSettings
  #file: DecisionFile
  readonly #allows = new Map<string, number>()
  readonly #addressBlocks = new Map<string, number>()
  readonly #userBlocks = new Map<string, number>()
  readonly #addressRevokes = new Map<string, number>()
  readonly #userRevokes = new Map<string, number>()

  private constructor(path: string, settings: DecisionSettings, file: DecisionFile) {
    this.#path = path
    this.#settings = settings
    this.#file = file
    this.#index()
  }

  /** Reads the file; without one there are no decisions. @throws {TableError} for one that cannot be read: a block might be lost with it */
  static load(path: string, settings: DecisionSettings): DecisionStore {
    const file = readDecisionFile(path)
    // It may have been written by hand.
    const decisions = file.decisions.map((one) => ('user' in one ? { ...one, user: storedUser(one.user) } : one))
    return new DecisionStore(path, settings, { ...file, decisions })
  }

  /** Puts a decision in force, on disk first. @throws {UsageError} for one that makes no sense @throws {TableError} if it cannot be written; then nothing changed */
  async apply(decision: Decision): Promise<DecisionResult> {
    const normal = normalize(decision)
    const replaced = this.#file.decisions.filter((other) => isReplacedBy(other, normal))
    const others = this.#file.decisions.filter((other) => !replaced.includes(other))
    const grantsNothing = normal.kind === 'allow' && 'user' in normal
    await this.#write({ ...this.#file, decisions: grantsNothing ? others : [...others, normal] }, decision.atMs)
    return { replaced }
  }

  /** Voids every login of everybody at or before `atMs`. Allows stay. @throws {TableError} */
  async revokeAll(atMs: number): Promise<void> {
    const revokedAllMs = Math.max(atMs, this.#file.revokedAllMs ?? -Infinity)
    await this.#write({ ...this.#file, revokedAllMs }, atMs)
  }

  /** Takes on new settings. The file stays as it is. */
  configure(settings: DecisionSettings): void {
    this.#settings = settings
    this.#index()
  }

  /** Every decision kept, those that are over by now too where no write came since. */
  list(): readonly Decision[] {
    return this.#file.decisions
  }

  /** Table addresses with an allow that has not been dropped yet. */
  allowedAddresses(): Iterable<ClientAddress> {
    return this.#allows.keys() as Iterable<ClientAddress>
  }

  /** Allows and blocks that are over at `atMs` and have not been dropped yet. */
  ended(atMs: number): Decision[] {
    return this.#file.decisions.filter(({ kind, untilMs }) => kind !== 'revoke' && (untilMs ?? Infinity) <= atMs)
  }

  /** The next instant at which an allow or block ends; undefined where none does. */
  nextEndMs(): number | undefined {
    let next = Infinity
    for (const map of [this.#allows, this.#addressBlocks, this.#userBlocks]) {
      for (const untilMs of map.values()) next = Math.min(next, untilMs)
    }
    return next === Infinity ? undefined : next
  }

  /** Drops decisions that are over from memory; every write leaves them out of the file. Returns how to take them back in. */
  drop(decisions: readonly Decision[]): () => void {
    const before = this.#file
    if (decisions.length === 0) return () => {}
    this.#file = { ...before, decisions: before.decisions.filter((other) => !decisions.includes(other)) }
    this.#index()
    return () => {
      this.#file = before
      this.#index()
    }
  }

  allowedUntil(address: ClientAddress, atMs: number): number | undefined {
    const untilMs = this.#allows.size === 0 ? undefined : this.#allows.get(address)
    return untilMs !== undefined && atMs < untilMs ? untilMs : undefined
  }

  isAddressBlocked(address: ClientAddress, atMs: number): boolean {
    return this.#addressBlocks.size > 0 && atMs < (this.#addressBlocks.get(address) ?? -Infinity)
  }

  isUserBlocked(user: string, atMs: number): boolean {
    return this.#userBlocks.size > 0 && atMs < (this.#userBlocks.get(user) ?? -Infinity)
  }

  voidUntil(address: ClientAddress, user: string): number {
    const ofAddress = this.#addressRevokes.get(address) ?? -Infinity
    const ofUser = this.#userRevokes.get(user) ?? -Infinity
    return Math.max(ofAddress, ofUser, this.#file.revokedAllMs ?? -Infinity)
  }

  async #write(file: DecisionFile, nowMs: number): Promise<void> {
    const keepMs = Math.max(2 * this.#settings.windowMs, KEEP_REVOCATIONS_MS)
    const kept = file.decisions.filter(({ kind, atMs }) => kind !== 'revoke' || nowMs < atMs + keepMs)
    const decisions = kept.filter(({ kind, untilMs }) => kind === 'revoke' || nowMs < (untilMs ?? Infinity))
    if (decisions.length > MAX_DECISIONS) {
      throw new TableError(`cannot keep more than ${MAX_DECISIONS} decisions in ${this.#path}`, {
        mend: 'take blocks back that are no longer needed (popauthd allow), or block networks in the configuration (never)',
      })
    }
    await writeDecisionFile(this.#path, { ...file, decisions })
    this.#file = { ...file, decisions: kept }
    this.#index()
  }

  #index(): void {
    const maps = [this.#allows, this.#addressBlocks, this.#userBlocks, this.#addressRevokes, this.#userRevokes]
    for (const map of maps) map.clear()
    for (const decision of this.#file.decisions) {
      const map = this.#mapOf(decision)
      const key = 'user' in decision ? decision.user : tableAddress(decision.address, this.#settings.ipv6Prefix)
      const value = decision.kind === 'revoke' ? decision.atMs : (decision.untilMs ?? Infinity)
      map.set(key, Math.max(value, map.get(key) ?? -Infinity))
    }
  }

  #mapOf(decision: Decision): Map<string, number> {
    const ofUser = 'user' in decision
    if (decision.kind === 'allow') return this.#allows
    if (decision.kind === 'block') return ofUser ? this.#userBlocks : this.#addressBlocks
    return ofUser ? this.#userRevokes : this.#addressRevokes
  }
}

function normalize(decision: Decision): Decision {
  const { kind, atMs, untilMs } = decision
  if (!isTime(atMs) || (untilMs !== undefined && !isTime(untilMs))) {
    throw new UsageError(`cannot ${kind}: the time is out of range`, { mend: 'leave the end out for one without end' })
  }
  if (kind !== 'revoke' && untilMs !== undefined && untilMs <= atMs) {
    throw new UsageError(`cannot ${kind} until ${new Date(untilMs).toISOString()}: that is over already`)
  }
  const times = kind === 'revoke' || untilMs === undefined ? { kind, atMs } : { kind, atMs, untilMs }
  return 'user' in decision ? { ...times, user: storedUser(decision.user) } : { ...times, address: decision.address }
}

/** What four digits of a year can say. */
function isTime(atMs: number): boolean {
  return Number.isSafeInteger(atMs) && atMs >= 0 && atMs < Date.UTC(10000, 0)
}

function isReplacedBy(other: Decision, decision: Decision): boolean {
  const sameSubject =
    'user' in other
      ? 'user' in decision && other.user === decision.user
      : 'address' in decision && other.address === decision.address
  if (!sameSubject) return false
  if (decision.kind === 'revoke')
    return other.kind === 'allow' || (other.kind === 'revoke' && other.atMs <= decision.atMs)
  return other.kind !== 'revoke'
}
