/** Goes over the whole table in small pieces: to judge every address anew, or to remove all logins. */
import type { DecisionStore } from '../admission/decisions.ts'
import { type JudgeContext, judge } from '../admission/judge.ts'
import { type AdmissionPolicy, AHEAD_MS, openedBits } from '../admission/policy.ts'
import type { TableChange, Verdict } from '../core/authorization.ts'
import { addressFromBytes, addressToBytes, type ClientAddress } from '../core/client-address.ts'
import { Draft } from './draft.ts'
import { changeBetween, type Ledger, listingOf } from './ledger.ts'
import type { StoredRecord } from './record.ts'
import type { TableStore } from './store.ts'
import { type Serial, WorkQueue } from './work-queue.ts'

const CHUNK = 500

/** Passes run one after the other; other writes of the table go on between the pieces of a pass. */
export class Rejudging {
  readonly #store: TableStore
  readonly #ledger: Ledger
  readonly #writes: Serial
  readonly #decisions: DecisionStore
  readonly #passes: Serial = new WorkQueue()
  /** When the next pass is due, Unix milliseconds; Infinity where none is. */
  dueMs = Infinity

  constructor(store: TableStore, ledger: Ledger, writes: Serial, decisions: DecisionStore) {
    this.#store = store
    this.#ledger = ledger
    this.#writes = writes
    this.#decisions = decisions
  }

  /** Makes a pass due: what was told of some address could not be noted. */
  require(atMs: number): void {
    this.dueMs = Math.min(this.dueMs, atMs)
  }

  /** Judges every address as of `atMs` under `policy`, which is in force already; returns what changed and was not told meanwhile. @throws {TableError} a pass stays due */
  run(atMs: number, policy: AdmissionPolicy): Promise<TableChange[]> {
    return this.#passes.run(async () => {
      this.dueMs = Infinity
      try {
        await this.#judgeAll(atMs)
        const last = await this.#writes.run(async () => this.#rebase(atMs, policy))
        return [...this.#ledger.release(), ...last]
      } catch (error) {
        this.require(atMs)
        throw error
      }
    })
  }

  /** Changes that removing every login makes, as of `atMs`, and the time of the newest login. Writes nothing. */
  async survey(atMs: number, context: JudgeContext): Promise<{ changes: TableChange[]; newestMs: number }> {
    const changes: TableChange[] = []
    let newestMs = -Infinity
    await this.#eachChunk(async (chunk) => {
      for (const { record } of chunk) {
        const { address } = record
        newestMs = Math.max(newestMs, record.users[0]?.lastMs ?? -Infinity)
        const verdict = flushed(record, context, atMs)
        const now = listingOf(address, verdict, context.policy)
        const change = changeBetween(this.#ledger.told(address, record), now, verdict, address, atMs)
        if (change !== undefined) changes.push(change)
      }
    })
    return { changes, newestMs }
  }

  /** Removes every login. @throws {TableError} some may be left */
  async removeLogins(atMs: number): Promise<void> {
    await this.#eachChunk(async (chunk) => {
      const draft = new Draft(this.#store)
      for (const { key, record } of chunk) {
        draft.put(key, withoutLogins(record))
        this.#ledger.settle(draft, key, atMs)
      }
      await draft.write()
    })
  }

  /** Table addresses that may be open without a login: allowed ones, and always networks of one address, where that is all that a login opens. */
  addressesWithoutLogin(policy: AdmissionPolicy): Set<ClientAddress> {
    const single = policy.always.members.flatMap(({ network }) =>
      network.bits === 128 ? addressFromBytes(network.bytes) : [],
    )
    const listed = single.filter((address) => openedBits(address, policy.ipv6Prefix) === 128)
    return new Set([...this.#decisions.allowedAddresses(), ...listed])
  }

  async #judgeAll(atMs: number): Promise<void> {
    for (let after: Buffer | undefined; ; ) {
      const from = after
      after = await this.#writes.run(() => this.#judgeChunk(from, atMs))
      if (after === undefined) return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async #judgeChunk(after: Buffer | undefined, atMs: number): Promise<Buffer | undefined> {
    const chunk = this.#store.recordsAfter(after, CHUNK)
    const draft = new Draft(this.#store)
    const found: TableChange[] = []
    for (const { key, record } of chunk) {
      const change = this.#ledger.settle(draft, key, atMs)
      if (change !== undefined) found.push(change)
      const ahead = record.users.filter(({ lastMs }) => atMs < lastMs - AHEAD_MS)
      for (const { lastMs } of ahead) this.require(lastMs - AHEAD_MS)
    }
    await draft.write()
    this.#ledger.hold(found)
    return chunk.at(-1)?.key
  }

  /** From here on what was not written is known to have been told as of `atMs`; returns the changes of addresses without a record. */
  #rebase(atMs: number, policy: AdmissionPolicy): TableChange[] {
    const before = this.addressesWithoutLogin(this.#ledger.basePolicy)
    const addresses = [...new Set([...before, ...this.addressesWithoutLogin(policy)])]
    const absent = addresses.filter((address) => this.#store.soundRecord(addressToBytes(address)) === undefined)
    const told = absent.map((address) => this.#ledger.told(address, undefined))
    this.#ledger.basePolicy = policy
    this.#ledger.baseMs = atMs
    return absent.flatMap((address, i) => {
      const verdict = judge(address, undefined, { policy, decisions: this.#decisions }, atMs, true)
      const now = listingOf(address, verdict, policy)
      return changeBetween(told[i] as number, now, verdict, address, atMs) ?? []
    })
  }

  async #eachChunk(action: (chunk: readonly { key: Buffer; record: StoredRecord }[]) => Promise<void>): Promise<void> {
    for (let after: Buffer | undefined; ; ) {
      const chunk = this.#store.recordsAfter(after, CHUNK)
      if (chunk.length === 0) return
      await action(chunk)
      after = chunk.at(-1)?.key
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** The verdict once the record's logins are void: where nothing else is to say, they were revoked now, or closed already. */
function flushed(record: StoredRecord, context: JudgeContext, atMs: number): Verdict {
  const verdict = judge(record.address, withoutLogins(record), context, atMs, true)
  if (verdict.reason !== 'unknown') return verdict
  const before = judge(record.address, record, context, atMs, true)
  return before.authorized ? { ...verdict, reason: 'revoked' } : before
}

function withoutLogins(record: StoredRecord): StoredRecord {
  return { ...record, users: [], forgottenMs: 0 }
}
