/** One transaction in the making: reads through to the store, gathers what changes, and derives the indexes from the records. */
import type { UserLogin } from '../core/authorization.ts'
import { VoidCommitError } from '../errors.ts'
import { NOT_INDEXED, type StoredRecord } from './record.ts'
import { type IndexEntry, type StoreWrites, type TableStore, userKeyOf } from './store.ts'

/** What the draft holds of one address. */
export interface DraftEntry {
  readonly key: Buffer
  /** As stored before this draft. */
  readonly before: StoredRecord | undefined
  readonly record: StoredRecord | undefined
}

/** One address of a user: when the last login was, and whether a limit refused it. */
interface UserEntry {
  readonly addressKey: Buffer
  readonly lastMs: number
  readonly refused: boolean
}

/**
 * Used once: read and `put`, then `write`. One draft of a store is read and put into at a time; it may begin while another, its `base`, is on its
 * way to the disk, and then sees what that one will have written.
 */
export class Draft {
  readonly #store: TableStore
  #base: Draft | undefined
  #sealed: StoreWrites | undefined
  #state: 'open' | 'written' | 'failed' = 'open'
  readonly #entries = new Map<string, DraftEntry>()
  readonly #userKeys = new Map<string, Buffer>()
  /** Keys of the addresses of users that were asked for, as they are stored. */
  readonly #storedKeys = new Map<string, readonly Buffer[]>()
  /** Keys of the addresses at which this draft put users, removed ones too. */
  readonly #putKeys = new Map<string, Map<string, Buffer>>()
  /** Names of the entries to be indexed where their oldest login is, not before. */
  readonly #reindexed = new Set<string>()
  readonly #watermarks = new Map<string, { userKey: Buffer; before: number | undefined; atMs: number | undefined }>()
  readonly #positions = new Map<string, unknown>()
  readonly #orphans: IndexEntry[] = []
  #added = 0

  constructor(store: TableStore, base?: Draft) {
    this.#store = store
    this.#base = base
  }

  /** Addresses that the table holds with this draft. */
  get addressCount(): number {
    if (this.#state === 'written') return this.#store.addressCount
    return (this.#base?.addressCount ?? this.#store.addressCount) + this.#added
  }

  /** The entry of an address, read at its first use. */
  entry(key: Buffer): DraftEntry {
    const name = key.toString('latin1')
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      const record = this.#base === undefined ? this.#store.soundRecord(key) : this.#base.#recordOf(key, name)
      entry = { key, before: record, record }
      this.#entries.set(name, entry)
    }
    return entry
  }

  /** The entry of an address that this draft changes; undefined where it does not. Reads nothing. */
  changed(key: Buffer): DraftEntry | undefined {
    const entry = this.#entries.get(key.toString('latin1'))
    return entry === undefined || entry.record === entry.before ? undefined : entry
  }

  /** All entries read or put so far. */
  entries(): DraftEntry[] {
    return [...this.#entries.values()]
  }

  put(key: Buffer, record: StoredRecord | undefined): void {
    const entry = this.entry(key)
    this.#added += Number(record !== undefined) - Number(entry.record !== undefined)
    const name = key.toString('latin1')
    for (const { user } of record?.users ?? []) {
      if (entry.record?.users.some((other) => other.user === user) !== true) this.#notePut(user, name, key)
    }
    this.#entries.set(name, { key, before: entry.before, record })
  }

  /** Addresses of a user as they stand in this draft. */
  *addressesOf(user: string): Iterable<UserEntry> {
    const put = this.#putKeys.get(user)
    for (const key of this.#storedKeysOf(user)) {
      if (put?.has(key.toString('latin1')) !== true) yield* this.#entryOf(user, key)
    }
    for (const key of put?.values() ?? []) yield* this.#entryOf(user, key)
  }

  /** Logins of a user at or before this time, from addresses that have no entry of his, were refused. */
  watermark(user: string): number | undefined {
    return this.#watermark(this.#userKey(user)).atMs
  }

  setWatermark(user: string, atMs: number): void {
    this.#watermark(this.#userKey(user)).atMs = atMs
  }

  /**
   * Moves the expiry index entry of a changed address to its oldest login. Otherwise one that lies before it stays: a client that logs in
   * again and again costs the index nothing until its entry is the oldest of all.
   */
  reindex(key: Buffer): void {
    this.#reindexed.add(key.toString('latin1'))
  }

  /** Removes the watermark of an expiry index entry, unless it has moved on. */
  dropWatermark({ key, atMs }: IndexEntry): void {
    const mark = this.#watermark(key)
    if (mark.atMs === atMs) mark.atMs = undefined
    else this.#orphans.push({ atMs, key, kind: 'user' })
  }

  /** Removes an expiry index entry that belongs to no record (left by a damaged file). */
  dropOrphan(entry: IndexEntry): void {
    this.#orphans.push(entry)
  }

  setPosition(sourceId: string, position: unknown): void {
    this.#positions.set(sourceId, position)
  }

  /** Nothing is put any more: what is written is settled, and another draft may begin on it. */
  seal(): void {
    this.#sealed ??= this.#writes()
  }

  /** True where it was not written, or is based on one that was not: it never will be. */
  get isVoid(): boolean {
    return this.#state === 'failed' || this.#base?.isVoid === true
  }

  /** @throws {TableError} nothing was written */
  async write(): Promise<void> {
    const [failure] = await Draft.writeAll(this.#store, [this])
    if (failure !== undefined) throw failure
  }

  /**
   * Writes drafts of `store` in one transaction, each on top of those before it. Tells of each what it failed with, undefined where it is
   * written: a {@link VoidCommitError} where what it is based on was not.
   */
  static async writeAll(store: TableStore, drafts: readonly Draft[]): Promise<unknown[]> {
    const writable = drafts.filter((draft) => !draft.isVoid)
    let failure: unknown
    try {
      for (const draft of writable) draft.seal()
      const writes = writable.map((draft) => draft.#sealed as StoreWrites).filter((one) => !isEmpty(one))
      if (writes.length > 0) await store.write(writes)
    } catch (error) {
      failure = error
    }
    const failures = drafts.map((draft) => {
      if (writable.includes(draft)) return failure
      return new VoidCommitError('cannot write to the table: what went before could not be written')
    })
    for (const [i, draft] of drafts.entries()) {
      draft.#state = failures[i] === undefined ? 'written' : 'failed'
      draft.#base = undefined
    }
    return failures
  }

  #writes(): StoreWrites {
    const writes: StoreWrites = {
      records: new Map(),
      added: this.#added,
      index: this.#orphans.map((entry) => ({ entry, remove: true })),
      users: [],
      watermarks: new Map(),
      positions: this.#positions,
    }
    for (const [name, { key, before, record }] of this.#entries) {
      if (record === before) continue
      const indexedMs = this.#indexedMs(name, before, record)
      writes.records.set(name, { key, record: record && { ...record, indexedMs } })
      addIndexWrites(writes, key, 'address', indexed(before?.indexedMs), indexed(indexedMs))
      this.#addUserWrites(writes, key, before?.users ?? [], record?.users ?? [])
    }
    for (const [name, { userKey, before, atMs }] of this.#watermarks) {
      if (before === atMs) continue
      writes.watermarks.set(name, { userKey, atMs })
      addIndexWrites(writes, userKey, 'user', before, atMs)
    }
    return writes
  }

  /** Where the index is to have the address. */
  #indexedMs(name: string, before: StoredRecord | undefined, record: StoredRecord | undefined): number {
    const oldestMs = record?.users.at(-1)?.lastMs
    if (oldestMs === undefined) return NOT_INDEXED
    const storedMs = indexed(before?.indexedMs)
    return storedMs === undefined || oldestMs < storedMs || this.#reindexed.has(name) ? oldestMs : storedMs
  }

  #addUserWrites(
    { users }: StoreWrites,
    addressKey: Buffer,
    before: readonly UserLogin[],
    after: readonly UserLogin[],
  ): void {
    for (const { user } of before) {
      if (after.some((other) => other.user === user)) continue
      users.push({ userKey: this.#userKey(user), addressKey, remove: true })
    }
    for (const { user } of after) {
      if (before.some((other) => other.user === user)) continue
      users.push({ userKey: this.#userKey(user), addressKey, remove: false })
    }
  }

  *#entryOf(user: string, addressKey: Buffer): Generator<UserEntry> {
    const login = this.entry(addressKey).record?.users.find((other) => other.user === user)
    if (login !== undefined) yield { addressKey, lastMs: login.lastMs, refused: login.refused }
  }

  #storedKeysOf(user: string): readonly Buffer[] {
    let keys = this.#storedKeys.get(user)
    if (keys === undefined) {
      keys = this.#base === undefined ? this.#store.addressKeysOf(this.#userKey(user)) : this.#base.#keysOf(user)
      this.#storedKeys.set(user, keys)
    }
    return keys
  }

  /** The record at `key` once this draft, which is sealed, is written. */
  #recordOf(key: Buffer, name: string): StoredRecord | undefined {
    const written = this.#sealed?.records.get(name)
    if (written !== undefined) return written.record
    return this.#base === undefined ? this.#store.soundRecord(key) : this.#base.#recordOf(key, name)
  }

  /** Keys of all addresses at which a user may be once this draft is written. */
  #keysOf(user: string): readonly Buffer[] {
    const stored = this.#storedKeysOf(user)
    const put = this.#putKeys.get(user)
    if (put === undefined) return stored
    return [...stored.filter((key) => !put.has(key.toString('latin1'))), ...put.values()]
  }

  #watermarkMs(userKey: Buffer, name: string): number | undefined {
    const mark = this.#watermarks.get(name)
    if (mark !== undefined) return mark.atMs
    return this.#base === undefined ? this.#store.watermark(userKey) : this.#base.#watermarkMs(userKey, name)
  }

  #userKey(user: string): Buffer {
    let key = this.#userKeys.get(user)
    if (key === undefined) {
      key = userKeyOf(user)
      this.#userKeys.set(user, key)
    }
    return key
  }

  #notePut(user: string, name: string, key: Buffer): void {
    const keys = this.#putKeys.get(user)
    if (keys === undefined) this.#putKeys.set(user, new Map([[name, key]]))
    else keys.set(name, key)
  }

  #watermark(userKey: Buffer): { userKey: Buffer; before: number | undefined; atMs: number | undefined } {
    const name = userKey.toString('latin1')
    let mark = this.#watermarks.get(name)
    if (mark === undefined) {
      const atMs = this.#watermarkMs(userKey, name)
      mark = { userKey, before: atMs, atMs }
      this.#watermarks.set(name, mark)
    }
    return mark
  }
}

function isEmpty({ records, index, users, positions, watermarks }: StoreWrites): boolean {
  return records.size + index.length + users.length + positions.size + watermarks.size === 0
}

/** A time in the expiry index; undefined where there is none. */
function indexed(atMs: number | undefined): number | undefined {
  return atMs === NOT_INDEXED ? undefined : atMs
}

function addIndexWrites(
  writes: StoreWrites,
  key: Buffer,
  kind: IndexEntry['kind'],
  before: number | undefined,
  after: number | undefined,
): void {
  if (before === after) return
  if (before !== undefined) writes.index.push({ entry: { atMs: before, key, kind }, remove: true })
  if (after !== undefined) writes.index.push({ entry: { atMs: after, key, kind }, remove: false })
}
