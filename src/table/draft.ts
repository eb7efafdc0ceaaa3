/** One transaction in the making: reads through to the store, gathers what changes, and derives the indexes from the records. */
import type { UserLogin } from '../core/authorization.ts'
import type { StoredRecord } from './record.ts'
import { type IndexEntry, type StoreWrites, type TableStore, type UserEntry, userKeyOf } from './store.ts'

/** What the draft holds of one address. */
interface DraftEntry {
  readonly key: Buffer
  /** As stored before this draft. */
  readonly before: StoredRecord | undefined
  readonly record: StoredRecord | undefined
}

/** Used once: read and `put`, then `write`. Only one draft of a store is alive at a time. */
export class Draft {
  readonly #store: TableStore
  readonly #entries = new Map<string, DraftEntry>()
  readonly #userEntries = new Map<string, Map<string, UserEntry>>()
  /** Names of the entries that this draft changed, by the users in them before or after. */
  readonly #changedByUser = new Map<string, Set<string>>()
  readonly #watermarks = new Map<string, { userKey: Buffer; before: number | undefined; atMs: number | undefined }>()
  readonly #positions = new Map<string, unknown>()
  readonly #orphans: IndexEntry[] = []
  #added = 0

  constructor(store: TableStore) {
    this.#store = store
  }

  /** Addresses that the table holds with this draft. */
  get addressCount(): number {
    return this.#store.addressCount + this.#added
  }

  /** The entry of an address, read at its first use. */
  entry(key: Buffer): DraftEntry {
    const name = key.toString('latin1')
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      const record = this.#store.record(key)
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
    for (const { user } of entry.record?.users ?? []) {
      this.#noteChange(user, name)
      this.#userEntries.get(user)?.delete(name)
    }
    for (const { user, lastMs, refused } of record?.users ?? []) {
      this.#noteChange(user, name)
      this.#userEntries.get(user)?.set(name, { addressKey: key, lastMs, refused })
    }
    this.#entries.set(name, { key, before: entry.before, record })
  }

  /** Addresses of a user as they stand in this draft. */
  addressesOf(user: string): Iterable<UserEntry> {
    return this.#addressesOf(user).values()
  }

  /** Logins of a user at or before this time, from addresses that have no entry of his, were refused. */
  watermark(user: string): number | undefined {
    return this.#watermark(userKeyOf(user)).atMs
  }

  setWatermark(user: string, atMs: number): void {
    this.#watermark(userKeyOf(user)).atMs = atMs
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

  /** @throws {TableError} nothing was written */
  async write(): Promise<void> {
    const writes = this.#writes()
    const isEmpty =
      writes.records.size +
        writes.index.length +
        writes.users.length +
        writes.positions.size +
        writes.watermarks.size ===
      0
    if (!isEmpty) await this.#store.write(writes)
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
      writes.records.set(name, { key, record })
      addIndexWrites(writes, key, 'address', oldestLogin(before?.users), oldestLogin(record?.users))
      addUserWrites(writes, key, before?.users ?? [], record?.users ?? [])
    }
    for (const [name, { userKey, before, atMs }] of this.#watermarks) {
      if (before === atMs) continue
      writes.watermarks.set(name, { userKey, atMs })
      addIndexWrites(writes, userKey, 'user', before, atMs)
    }
    return writes
  }

  #addressesOf(user: string): Map<string, UserEntry> {
    let entries = this.#userEntries.get(user)
    if (entries === undefined) {
      const stored = this.#store.userEntries(userKeyOf(user))
      entries = new Map(stored.map((entry) => [entry.addressKey.toString('latin1'), entry]))
      for (const name of this.#changedByUser.get(user) ?? []) overlay(entries, name, this.#entries.get(name), user)
      this.#userEntries.set(user, entries)
    }
    return entries
  }

  #noteChange(user: string, name: string): void {
    const names = this.#changedByUser.get(user)
    if (names === undefined) this.#changedByUser.set(user, new Set([name]))
    else names.add(name)
  }

  #watermark(userKey: Buffer): { userKey: Buffer; before: number | undefined; atMs: number | undefined } {
    const name = userKey.toString('latin1')
    let mark = this.#watermarks.get(name)
    if (mark === undefined) {
      const atMs = this.#store.watermark(userKey)
      mark = { userKey, before: atMs, atMs }
      this.#watermarks.set(name, mark)
    }
    return mark
  }
}

/** Puts what a draft has already changed of one address over the stored entries of a user. */
function overlay(entries: Map<string, UserEntry>, name: string, entry: DraftEntry | undefined, user: string): void {
  if (entry === undefined || entry.record === entry.before) return
  const { key, record } = entry
  const login = record?.users.find((other) => other.user === user)
  if (login === undefined) entries.delete(name)
  else entries.set(name, { addressKey: key, lastMs: login.lastMs, refused: login.refused })
}

function oldestLogin(users: readonly UserLogin[] | undefined): number | undefined {
  return users?.at(-1)?.lastMs
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

function addUserWrites(
  writes: StoreWrites,
  addressKey: Buffer,
  before: readonly UserLogin[],
  after: readonly UserLogin[],
): void {
  for (const { user } of before) {
    if (after.some((other) => other.user === user)) continue
    writes.users.push({ userKey: userKeyOf(user), addressKey, entry: undefined })
  }
  for (const { user, lastMs, refused } of after) {
    const same = before.some((old) => old.user === user && old.lastMs === lastMs && old.refused === refused)
    if (!same) writes.users.push({ userKey: userKeyOf(user), addressKey, entry: { addressKey, lastMs, refused } })
  }
}
