/** The table: who may relay, why and until when. One writer; lookups are answered from memory or the file's memory map, and never wait. */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DecisionStore } from '../admission/decisions.ts'
import { type JudgeContext, judge, type LoginState, loginState } from '../admission/judge.ts'
import { type AdmissionPolicy, tableAddress } from '../admission/policy.ts'
import { storedUser } from '../admission/stored-user.ts'
import type { AddressRecord, Authorization, TableChange, UserLogin, Verdict } from '../core/authorization.ts'
import { addressFromBytes, addressToBytes, type ClientAddress } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import { reasonOf, TableError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { type StateLock, takeStateLock } from '../lib/state-lock.ts'
import { Commits } from './commits.ts'
import { Draft } from './draft.ts'
import { isChange, Ledger, listingOf } from './ledger.ts'
import { adoptPrefix } from './prefix-change.ts'
import type { StoredRecord } from './record.ts'
import { Rejudging } from './rejudging.ts'
import type {
  CommitChain,
  CommitInput,
  CommitResult,
  DecisionOutcome,
  FlushOutcome,
  PendingCommit,
  TableOptions,
  TableStats,
  UserAddress,
} from './results.ts'
import { TableStore } from './store.ts'
import type { Serial } from './work-queue.ts'

/** Index entries that one sweep works on: some milliseconds of work. */
const SWEEP_LIMIT = 500
/** Records, or addresses without one, that are judged in one turn of the event loop: a few milliseconds of work. */
const SLICE = 100
/** A clock that went back further than this makes everything be judged anew. */
const STEP_BACK_MS = 1000

/**
 * Writes queue up and are each one transaction, on disk when the promise resolves. A write that fails (full disk) throws TableError,
 * changes nothing, and may be tried again. Publishers are to be resynced from `authorizations()` when the table has been opened.
 */
export class AuthorizationTable implements AsyncDisposable {
  readonly #clock: Clock
  readonly #store: TableStore
  readonly #decisions: DecisionStore
  readonly #lock: StateLock | undefined
  readonly #commits: Commits
  readonly #queue: Serial
  readonly #ledger: Ledger
  readonly #rejudging: Rejudging
  #context: JudgeContext
  #latestMs: number

  private constructor(
    options: TableOptions,
    store: TableStore,
    decisions: DecisionStore,
    lock: StateLock | undefined,
    session: number,
  ) {
    this.#clock = options.clock
    this.#store = store
    this.#decisions = decisions
    this.#lock = lock
    this.#context = { policy: options.policy, decisions }
    this.#latestMs = options.clock.now()
    this.#ledger = new Ledger(session, () => this.#context, this.#latestMs)
    const context = () => this.#context
    this.#commits = new Commits({ store, ledger: this.#ledger, context, now: () => this.#now() })
    this.#queue = this.#commits.queue
    this.#rejudging = new Rejudging(store, this.#ledger, this.#queue, decisions)
  }

  /** @throws {TableError} where another process uses the directory, or the table or the decisions are damaged or cannot be read */
  static async open(options: TableOptions): Promise<AuthorizationTable> {
    const { directory, policy, readOnly = false } = options
    if (!readOnly) makeDirectory(directory)
    const lock = readOnly ? undefined : takeStateLock(directory)
    try {
      const decisions = DecisionStore.load(join(directory, 'decisions.json'), policy)
      const store = TableStore.open(directory, readOnly)
      try {
        const session = (store.metaNumber('session') ?? 0) + 1
        if (!readOnly) await store.setMetaNumber('session', session)
        if (!readOnly) await adoptPrefix(store, policy)
        return new AuthorizationTable(options, store, decisions, lock, session)
      } catch (error) {
        await store[Symbol.asyncDispose]()
        throw error
      }
    } catch (error) {
      lock?.[Symbol.dispose]()
      throw error
    }
  }

  /** The verdict on `address` as of now, logins that are being committed included. Synchronous; never throws: an address whose record cannot be read is closed. */
  lookup(address: ClientAddress): Verdict {
    try {
      return judge(address, this.#seen(address), this.#context, this.#clock.now())
    } catch (error) {
      return { authorized: false, reason: 'unknown', detail: `the table cannot be read: ${reasonOf(error)}` }
    }
  }

  /** What is known of `address`, users whose time is over included until they are swept. @throws {TableError} */
  record(address: ClientAddress): AddressRecord | undefined {
    const stored = this.#stored(address)
    return stored === undefined || stored.users.length === 0
      ? undefined
      : { address: stored.address, users: stored.users }
  }

  /** The users at `address`, newest login first. @throws {TableError} */
  usersOf(address: ClientAddress): readonly UserLogin[] {
    return this.#stored(address)?.users ?? []
  }

  /** What one login of {@link usersOf} is worth now: it opens, or why it opens nothing. */
  loginStateOf(address: ClientAddress, login: UserLogin): LoginState {
    const { policy } = this.#context
    return loginState(tableAddress(address, policy.ipv6Prefix), login, this.#context, this.#clock.now())
  }

  /** The addresses of a user, newest login first. @throws {TableError} */
  addressesOf(user: string): UserAddress[] {
    return [...new Draft(this.#store).addressesOf(storedUser(user))]
      .map(({ addressKey, lastMs, refused }) => ({ address: addressFromBytes(addressKey), lastMs, refused }))
      .sort((a, b) => b.lastMs - a.lastMs)
  }

  /** Where reading of a source resumes, as committed last; undefined for a source not seen before. */
  position(sourceId: string): unknown {
    return this.#store.position(sourceId)
  }

  /** The decisions kept. */
  decisions(): readonly Decision[] {
    return this.#decisions.list()
  }

  /** The policy in force. */
  get policy(): AdmissionPolicy {
    return this.#context.policy
  }

  stats(): TableStats {
    return { addresses: this.#store.addressCount, logins: this.#store.loginCount, fileBytes: this.#store.fileBytes }
  }

  /**
   * Every address that may relay now, none twice, for lists and maps: by login, allowed, or a single always address. Always networks wider than what
   * a login opens are in `policy.always` only. With `ipv6Prefix` below 128 an IPv6 address stands for its network. In slices, some of them empty,
   * with a turn of the event loop after each; may be read at leisure. @throws {TableError}
   */
  async *authorizations(): AsyncGenerator<readonly Authorization[]> {
    // Whoever gets or loses a record while this goes on is met once all the same.
    const others = this.#rejudging.addressesWithoutLogin(this.#context.policy)
    for (let after: Buffer | undefined; ; ) {
      const chunk = this.#store.recordsAfter(after, SLICE)
      for (const { record } of chunk) others.delete(record.address)
      yield chunk.flatMap(({ record }) => this.#authorizationOf(record.address, record) ?? [])
      after = chunk.at(-1)?.key
      if (after === undefined) break
      await nextTurn()
    }
    const rest = [...others]
    for (let at = 0; at < rest.length; at += SLICE) {
      yield rest.slice(at, at + SLICE).flatMap((address) => {
        return this.#authorizationOf(address, this.#store.soundRecord(addressToBytes(address))) ?? []
      })
      await nextTurn()
    }
  }

  /** Puts logins and the position behind them into the table, in one transaction. @throws {TableError} */
  commit(input: CommitInput): Promise<CommitResult> {
    return this.beginCommit(input).written
  }

  /** As {@link commit}, telling of the way too. Commits that are judged while others are being written go to the disk together. Never throws. */
  beginCommit(input: CommitInput, chain?: CommitChain): PendingCommit {
    return this.#commits.begin(input, chain)
  }

  /** The instant before which nothing ends and `sweep` has no work; in the past where work waits; undefined where nothing ends. */
  nextExpiryMs(): number | undefined {
    const oldest = this.#store.oldest(1)[0]
    const next = Math.min(
      oldest === undefined ? Infinity : oldest.atMs + this.#context.policy.windowMs,
      this.#decisions.nextEndMs() ?? Infinity,
      this.#rejudging.dueMs,
    )
    return next === Infinity ? undefined : next
  }

  /** Removes what is over and tells what it changed. Does a bounded piece of work: call again while `nextExpiryMs()` is not in the future. @throws {TableError} */
  async sweep(): Promise<TableChange[]> {
    const nowMs = this.#clock.now()
    if (nowMs < this.#latestMs - STEP_BACK_MS || this.#rejudging.dueMs <= nowMs) {
      this.#latestMs = nowMs
      return this.#rejudging.run(nowMs, this.#context.policy)
    }
    return this.#queue.run(() => this.#sweep())
  }

  /**
   * Puts a decision in force: lookups follow it at once, and it is on disk when the promise resolves. A revoke voids every login seen so far,
   * those dated ahead of the clock too. @throws {UsageError} a decision that makes no sense @throws {TableError} nothing changed
   */
  applyDecision(decision: Decision): Promise<DecisionOutcome> {
    return this.#queue.run(async () => {
      const draft = new Draft(this.#store)
      const keys = this.#subjects(draft, decision)
      const told = keys.map((key) => this.#ledger.told(addressFromBytes(key), draft.entry(key).before))
      const dated = decision.kind === 'revoke' ? { ...decision, atMs: this.#newestOf(draft, keys, decision) } : decision
      const result = await this.#decisions.apply(dated)
      const nowMs = this.#now()
      const changes = keys.map((key, i) => this.#ledger.settle(draft, key, nowMs, undefined, told[i])).filter(isChange)
      const stillOpen = keys
        .map((key) => this.#authorizationOf(addressFromBytes(key), draft.entry(key).record))
        .filter((authorization) => authorization !== undefined)
      await draft.write().catch(() => this.#rejudging.require(nowMs))
      const earlier = this.#ledger.release()
      return { ...result, decision: dated, earlier, changes, stillOpen: decision.kind === 'allow' ? [] : stillOpen }
    })
  }

  /** Voids and removes every login; reading the logs again brings none back. Allows stay. @throws {TableError} */
  flush(): Promise<FlushOutcome> {
    return this.#queue.run(async () => {
      const nowMs = this.#now()
      const { changes, newestMs } = await this.#rejudging.survey(nowMs, this.#context)
      await this.#decisions.revokeAll(Math.max(nowMs, newestMs))
      await this.#rejudging.removeLogins(nowMs).catch(() => this.#rejudging.require(nowMs))
      const stillOpen: Authorization[] = []
      for await (const slice of this.authorizations()) stillOpen.push(...slice)
      return { earlier: this.#ledger.release(), changes, stillOpen }
    })
  }

  /**
   * Takes on a new policy: lookups follow at once; resolves with what changed once all addresses were judged anew. Other writes go on meanwhile,
   * and tell with their own changes what was found before them. Changed always networks are in no change: resync publishers. @throws {TableError} a changed `ipv6Prefix` needs a restart; or as `commit`
   */
  async reconfigure(policy: AdmissionPolicy): Promise<TableChange[]> {
    if (policy.ipv6Prefix !== this.#context.policy.ipv6Prefix) {
      throw new TableError('cannot change ipv6_prefix while running', { mend: 'restart popauthd' })
    }
    this.#context = { ...this.#context, policy }
    this.#decisions.configure(policy)
    return this.#rejudging.run(this.#now(), policy)
  }

  /** Waits for the writes that were begun, closes the file and gives the lock back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close()
    await this.#store[Symbol.asyncDispose]()
    this.#lock?.[Symbol.dispose]()
  }

  async #sweep(): Promise<TableChange[]> {
    const nowMs = this.#now()
    const draft = new Draft(this.#store)
    const ended = this.#decisions.ended(nowMs)
    const keys = new Map<string, Buffer>()
    const told = new Map<string, number>()
    for (const key of ended.flatMap((decision) => this.#subjects(draft, decision))) {
      keys.set(key.toString('latin1'), key)
      told.set(key.toString('latin1'), this.#ledger.told(addressFromBytes(key), draft.entry(key).before))
    }
    const restore = this.#decisions.drop(ended)
    try {
      for (const key of this.#removeExpired(draft, nowMs)) keys.set(key.toString('latin1'), key)
      const changes = Array.from(keys, ([name, key]) =>
        this.#ledger.settle(draft, key, nowMs, undefined, told.get(name)),
      )
      await draft.write()
      return [...this.#ledger.release(), ...changes.filter(isChange)]
    } catch (error) {
      restore()
      throw error
    }
  }

  /** Takes the logins that are over out of the oldest records; returns the keys of these. */
  #removeExpired(draft: Draft, nowMs: number): Buffer[] {
    const { windowMs } = this.#context.policy
    const keys: Buffer[] = []
    for (const entry of this.#store.oldest(SWEEP_LIMIT)) {
      if (nowMs < entry.atMs + windowMs) break
      if (entry.kind === 'user') {
        draft.dropWatermark(entry)
        continue
      }
      const { record, before } = draft.entry(entry.key)
      if (before?.indexedMs !== entry.atMs) draft.dropOrphan(entry)
      if (record === undefined) continue
      draft.put(entry.key, { ...record, users: record.users.filter(({ lastMs }) => nowMs < lastMs + windowMs) })
      draft.reindex(entry.key)
      keys.push(entry.key)
    }
    return keys
  }

  #authorizationOf(address: ClientAddress, record: StoredRecord | undefined): Authorization | undefined {
    const nowMs = this.#clock.now()
    const verdict = judge(address, record, this.#context, nowMs, true)
    const { authorized, reason, untilMs } = verdict
    const isListed = listingOf(address, verdict, this.#context.policy) !== 0
    if (!authorized || !isListed || (reason !== 'login' && reason !== 'always' && reason !== 'allowed'))
      return undefined
    const users = (record?.users ?? []).filter((login) => loginState(address, login, this.#context, nowMs) === 'open')
    return { address, ...(untilMs === undefined ? {} : { untilMs }), reason, users }
  }

  /** Keys of the addresses that a decision is about. */
  #subjects(draft: Draft, decision: Decision): Buffer[] {
    if ('user' in decision)
      return Array.from(draft.addressesOf(storedUser(decision.user)), ({ addressKey }) => addressKey)
    return [addressToBytes(tableAddress(decision.address, this.#context.policy.ipv6Prefix))]
  }

  /** The time of a revocation that voids every login it is about. */
  #newestOf(draft: Draft, keys: readonly Buffer[], decision: Decision): number {
    const user = 'user' in decision ? storedUser(decision.user) : undefined
    const logins = keys.flatMap((key) => draft.entry(key).record?.users ?? [])
    return logins
      .filter((login) => user === undefined || login.user === user)
      .reduce((newest, { lastMs }) => Math.max(newest, lastMs), decision.atMs)
  }

  /** The record as lookups see it: with the logins that are on their way to the disk. */
  #seen(address: ClientAddress): StoredRecord | undefined {
    const key = addressToBytes(tableAddress(address, this.#context.policy.ipv6Prefix))
    const onItsWay = this.#commits.onItsWay(key)
    return onItsWay === undefined ? this.#store.recentRecord(key) : onItsWay.record
  }

  #stored(address: ClientAddress): StoredRecord | undefined {
    return this.#store.record(addressToBytes(tableAddress(address, this.#context.policy.ipv6Prefix)))
  }

  #now(): number {
    const nowMs = this.#clock.now()
    this.#latestMs = Math.max(this.#latestMs, nowMs)
    return nowMs
  }
}

function makeDirectory(path: string): void {
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o711 }) !== undefined) chmodSync(path, 0o711)
  } catch (error) {
    throw new TableError(`cannot make the state directory ${path}: ${reasonOf(error)}`, {
      mend: 'make it for the user that popauthd runs as, or name another (state_directory)',
      cause: error,
    })
  }
}
