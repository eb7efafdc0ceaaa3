/** The LMDB file: its databases, their keys, and one atomic write over all of them. Knows no rules. */
import { hash } from 'node:crypto'
import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import QuickLRU from 'quick-lru'
import { DamagedTableError, reasonOf, TableError } from '../errors.ts'
import { reserveForOwner } from '../lib/directory-owner.ts'
import { probeTable } from './probe.ts'
import { decodeRecord, type EncodedRecord, encodeRecord, MEND_DAMAGED, type StoredRecord } from './record.ts'
import { FileRoom, fillTo } from './room.ts'

/** Version of the layout of all databases; another one is refused. */
const LAYOUT_VERSION = 2
const TABLE_FILE = 'table.mdb'
const LOCK_FILE_BYTES = 16_384
/** Most that opening the table writes. */
const OPENING_BYTES = 1024 * 1024
/** Most that a write needs: so much, and so much more for each operation (the pages of a path through a tree). */
const WRITE_BYTES = 256 * 1024
const OPERATION_BYTES = 32 * 1024
/**
 * The closer bound for many operations: a write copies each page at most once, splits it into pages a quarter full at worst, and what it
 * puts in is spread over such pages.
 */
const COPIES = 5
const SPREAD = 4
/** Codes of errors that mean no more room. */
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']
const KEY_BYTES = 16

/** Records are remembered up to twice this number, and only those of few users: a few MB. */
const RECENT = 8192
const RECENT_USERS = 2

/** What an entry of the expiry index is about. */
type IndexKind = 'address' | 'user'
/** One entry of the expiry index: nothing at `key` (16 bytes) depends on a login before `atMs`. */
export interface IndexEntry {
  readonly atMs: number
  readonly key: Buffer
  readonly kind: IndexKind
}

/** Writes gathered for one transaction. A later write to the same key wins. */
export interface StoreWrites {
  readonly records: Map<string, { key: Buffer; record: StoredRecord | undefined }>
  /** Records that are new, less those that go. */
  readonly added: number
  readonly index: { entry: IndexEntry; remove: boolean }[]
  readonly users: { userKey: Buffer; addressKey: Buffer; remove: boolean }[]
  /** Per user: logins at or before this time from addresses without an entry were refused; undefined removes it. */
  readonly watermarks: Map<string, { userKey: Buffer; atMs: number | undefined }>
  readonly positions: Map<string, unknown>
}

/** Reads see what the last awaited write made. One writer. */
export class TableStore implements AsyncDisposable {
  readonly path: string
  readonly #root: RootDatabase
  readonly #addresses: Database<EncodedRecord, Buffer>
  readonly #byLogin: Database<number, Buffer>
  readonly #users: Database<number, Buffer>
  readonly #positions: Database<unknown, string>
  readonly #meta: Database<number, string>
  readonly #room: FileRoom
  /** Kept here because LMDB takes 20 microseconds to tell. */
  #addressCount: number
  /** Records that were looked up lately, null where none is stored: MTAs ask about the same clients again and again. Absent where others may write. */
  readonly #recent: QuickLRU<string, StoredRecord | null> | undefined

  private constructor(path: string, root: RootDatabase, readOnly: boolean) {
    this.path = path
    this.#recent = readOnly ? undefined : new QuickLRU({ maxSize: RECENT })
    this.#root = root
    this.#addresses = root.openDB({ name: 'addresses', keyEncoding: 'binary', encoding: 'msgpack' })
    this.#byLogin = root.openDB({ name: 'by_login', keyEncoding: 'binary', encoding: 'msgpack' })
    this.#users = root.openDB({ name: 'users', keyEncoding: 'binary', encoding: 'msgpack' })
    this.#positions = root.openDB({ name: 'positions', encoding: 'msgpack' })
    this.#meta = root.openDB({ name: 'meta', encoding: 'msgpack' })
    this.#room = new FileRoom(path, () => {
      const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number }
      return (lastPageNumber + 1) * pageSize
    })
    this.#addressCount = (this.#addresses.getStats() as { entryCount: number }).entryCount
  }

  /** Opens the table in `directory`, makes one where there is none. @throws {TableError} damaged, of another layout, or not to be read */
  static open(directory: string, readOnly: boolean): TableStore {
    const path = join(directory, TABLE_FILE)
    const usedBytes = probeTable(path)
    if (readOnly && usedBytes === undefined) {
      throw new TableError(`cannot open the table ${path}: no such file`, { mend: 'start popauthd once: it makes one' })
    }
    try {
      if (!readOnly) prepareFiles(path, usedBytes)
      const root = open({
        path,
        noSubdir: true,
        maxDbs: 8,
        readOnly,
        overlappingSync: false,
        eventTurnBatching: false,
      } as Parameters<typeof open>[0])
      if (!readOnly) chmodSync(path, 0o640)
      const store = new TableStore(path, root, readOnly)
      store.#checkLayout(readOnly)
      return store
    } catch (error) {
      if (error instanceof TableError) throw error
      const isFull = FULL.includes((error as NodeJS.ErrnoException).code ?? '')
      const mend = isFull ? 'make room in its file system' : MEND_DAMAGED
      throw new TableError(`cannot open the table ${path}: ${reasonOf(error)}`, { mend, cause: error })
    }
  }

  /** @throws {DamagedTableError} */
  record(key: Buffer): StoredRecord | undefined {
    const stored = this.#addresses.get(key)
    return stored === undefined ? undefined : decodeRecord(key, stored)
  }

  /** As {@link record}. A damaged record authorizes nobody, and must not keep others from being told or written: it is as if there were none. */
  soundRecord(key: Buffer): StoredRecord | undefined {
    const stored = this.#addresses.get(key)
    return stored === undefined ? undefined : soundRecord(key, stored)
  }

  /** As {@link soundRecord}, from memory where it was asked for lately. */
  recentRecord(key: Buffer): StoredRecord | undefined {
    const name = key.toString('latin1')
    const recent = this.#recent?.get(name)
    if (recent !== undefined) return recent ?? undefined
    const record = this.soundRecord(key)
    if (record === undefined || record.users.length <= RECENT_USERS) this.#recent?.set(name, record ?? null)
    return record
  }

  /** At most `limit` records behind `after` (or from the first), in the order of their keys; damaged ones, which authorize nobody, are left out. */
  recordsAfter(after: Buffer | undefined, limit: number): { key: Buffer; record: StoredRecord }[] {
    const range = after === undefined ? {} : { start: after, exclusiveStart: true }
    const found: { key: Buffer; record: StoredRecord }[] = []
    for (const { key, value } of this.#addresses.getRange(range)) {
      const record = soundRecord(key, value)
      if (record !== undefined) found.push({ key: Buffer.from(key), record })
      if (found.length === limit) break
    }
    return found
  }

  /** The oldest entries of the expiry index, at most `limit`, oldest first. */
  oldest(limit: number): IndexEntry[] {
    const found: IndexEntry[] = []
    for (const { key, value } of this.#byLogin.getRange({ limit })) {
      if (key.length !== 8 + KEY_BYTES)
        throw new DamagedTableError('cannot read the expiry index: it is damaged', { mend: MEND_DAMAGED })
      const kind = value === 1 ? 'user' : 'address'
      found.push({ atMs: key.readDoubleBE(0), key: Buffer.from(key.subarray(8)), kind })
    }
    return found
  }

  /** Keys of the addresses that a user logged in from. */
  addressKeysOf(userKey: Buffer): Buffer[] {
    const found: Buffer[] = []
    const start = Buffer.concat([userKey, Buffer.alloc(KEY_BYTES)])
    const end = Buffer.concat([userKey, Buffer.alloc(KEY_BYTES + 1, 0xff)])
    for (const key of this.#users.getKeys({ start, end })) found.push(Buffer.from(key.subarray(KEY_BYTES)))
    return found
  }

  /** See {@link StoreWrites.watermarks}. */
  watermark(userKey: Buffer): number | undefined {
    const value = this.#users.get(userKey)
    return typeof value === 'number' ? value : undefined
  }

  position(sourceId: string): unknown {
    return this.#positions.get(sourceId)
  }

  /** A number kept under a name; `undefined` where there is none. */
  metaNumber(name: string): number | undefined {
    return this.#meta.get(name)
  }

  /** @throws {TableError} */
  async setMetaNumber(name: string, value: number): Promise<void> {
    await this.#batch(1, 0, () => void this.#meta.put(name, value))
  }

  /** Addresses stored now. */
  get addressCount(): number {
    return this.#addressCount
  }

  /** Pairs of user and address stored now (and watermarks, few). */
  get loginCount(): number {
    return (this.#users.getStats() as { entryCount: number }).entryCount
  }

  /** Size of the file, bytes. */
  get fileBytes(): number {
    return statSync(this.path).size
  }

  /** Writes all or nothing, one after the other, on disk when it resolves. @throws {TableError} nothing was written; it may be tried again */
  async write(writes: readonly StoreWrites[]): Promise<void> {
    const sum = (of: (one: StoreWrites) => number) => writes.reduce((total, one) => total + of(one), 0)
    try {
      await this.#batch(sum(operationsOf), sum(payloadBytes), () => {
        for (const one of writes) this.#put(one)
      })
    } finally {
      for (const { records } of writes) this.#forget(records.values())
    }
    this.#addressCount += sum(({ added }) => added)
  }

  #forget(written: Iterable<{ key: Buffer }>): void {
    for (const { key } of written) this.#recent?.delete(key.toString('latin1'))
  }

  #put({ records, index, users, watermarks, positions }: StoreWrites): void {
    for (const { key, record } of records.values()) {
      if (record === undefined) void this.#addresses.remove(key)
      else void this.#addresses.put(key, encodeRecord(record))
    }
    for (const { entry, remove } of index) {
      if (remove) void this.#byLogin.remove(indexKey(entry))
      else void this.#byLogin.put(indexKey(entry), entry.kind === 'user' ? 1 : 0)
    }
    for (const { userKey, addressKey, remove } of users) {
      const key = Buffer.concat([userKey, addressKey])
      if (remove) void this.#users.remove(key)
      else void this.#users.put(key, 0)
    }
    for (const { userKey, atMs } of watermarks.values()) {
      if (atMs === undefined) void this.#users.remove(userKey)
      else void this.#users.put(userKey, atMs)
    }
    for (const [sourceId, position] of positions) void this.#positions.put(sourceId, position)
  }

  async #batch(operations: number, payload: number, action: () => void): Promise<void> {
    try {
      const closerBound = (usedBytes: number) => WRITE_BYTES + COPIES * usedBytes + SPREAD * payload
      this.#room.take(WRITE_BYTES + operations * OPERATION_BYTES, closerBound)
      await this.#root.batch(action)
    } catch (error) {
      const commitError: unknown = (error as { commitError?: Promise<unknown> }).commitError
      const cause: unknown =
        commitError === undefined ? error : await Promise.resolve(commitError).catch((e: unknown) => e)
      throw new TableError(`cannot write the table ${this.path}: ${writeReason(cause)}`, {
        mend: 'nothing was changed; make room, it is tried again',
        cause,
      })
    }
  }

  #checkLayout(readOnly: boolean): void {
    const version = this.#meta.get('layout')
    if (version === undefined && !readOnly)
      this.#root.transactionSync(() => this.#meta.putSync('layout', LAYOUT_VERSION))
    else if (version !== LAYOUT_VERSION) {
      throw new DamagedTableError(
        `cannot use the table ${this.path}: its layout is ${version}, not ${LAYOUT_VERSION}`,
        {
          mend: MEND_DAMAGED,
        },
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close()
  }
}

function soundRecord(key: Uint8Array, stored: unknown): StoredRecord | undefined {
  try {
    return decodeRecord(key, stored)
  } catch (error) {
    if (error instanceof DamagedTableError) return undefined
    throw error
  }
}

/** Key of a user in `users`: long names cost no more than short ones, and no name can imitate another's key. */
export function userKeyOf(user: string): Buffer {
  return hash('sha256', user, 'buffer').subarray(0, KEY_BYTES)
}

function operationsOf({ records, index, users, watermarks, positions }: StoreWrites): number {
  return records.size + index.length + users.length + watermarks.size + positions.size
}

/** Most that the keys and values of these writes take, their headers in a page included. */
function payloadBytes({ records, index, users, watermarks, positions }: StoreWrites): number {
  let bytes = (index.length + users.length + watermarks.size) * 160
  for (const { record } of records.values()) {
    bytes += 160
    for (const { user, server } of record?.users ?? []) bytes += 64 + 3 * (user.length + server.length)
  }
  for (const [sourceId, position] of positions) bytes += 160 + 3 * (sourceId.length + JSON.stringify(position).length)
  return bytes
}

function indexKey({ atMs, key }: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(8 + KEY_BYTES)
  bytes.writeDoubleBE(atMs, 0)
  key.copy(bytes, 8)
  return bytes
}

/** Takes the room that opening needs, of LMDB's lock file too: on a full disk a hole in it would kill the process when it is first touched. */
function prepareFiles(path: string, usedBytes: number | undefined): void {
  const lockPath = `${path}-lock`
  if (!existsSync(lockPath)) reserveForOwner(lockPath, 0o640)
  const hasLock = existsSync(lockPath) && statSync(lockPath).size >= 8192
  if (!hasLock) writeFileSync(lockPath, Buffer.alloc(LOCK_FILE_BYTES), { mode: 0o640 })
  if (usedBytes !== undefined) {
    fillTo(path, usedBytes, OPENING_BYTES)
    return
  }
  const trialPath = `${path}.room`
  try {
    writeFileSync(trialPath, Buffer.alloc(OPENING_BYTES), { mode: 0o600 })
  } finally {
    rmSync(trialPath, { force: true })
  }
  reserveForOwner(path, 0o640)
}

/** lmdb gives errno numbers as codes, and appends to its messages what only its authors can use. */
function writeReason(cause: unknown): string {
  const number = (cause as { code?: unknown } | undefined)?.code
  return number === 28 || number === 'ENOSPC'
    ? 'no space left on the device'
    : reasonOf(cause).replace(/: Attempting .*$/s, '')
}
