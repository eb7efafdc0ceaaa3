/** The table's record of one address: its facts, and what publishers were last told of it. To and from what is stored. */
import type { AddressFacts } from '../admission/judge.ts'
import type { UserLogin } from '../core/authorization.ts'
import { addressFromBytes } from '../core/client-address.ts'
import type { Service } from '../core/login.ts'
import { DamagedTableError, type TableError } from '../errors.ts'

/**
 * `told`: end of the authorization last told to publishers, Unix milliseconds; 0 closed, -1 without end. Holds in the session `session`.
 * `indexedMs`: where the expiry index has the address, at or before its oldest login; {@link NOT_INDEXED} where nobody has logged in.
 */
export interface StoredRecord extends AddressFacts {
  readonly forgottenMs: number
  readonly told: number
  readonly session: number
  readonly indexedMs: number
}

/** See {@link StoredRecord}. */
export const NOT_INDEXED = -1

/** One user login as stored: user, last login, milliseconds back to its first, service and refusal in one number, server. */
type StoredLogin = [user: string, lastMs: number, sinceMs: number, flags: number, server: string]
/** Version in `meta` stands for this layout. */
export type EncodedRecord = [
  session: number,
  told: number,
  forgottenMs: number,
  indexedMs: number,
  ...logins: StoredLogin[],
]

const SERVICES: readonly Service[] = ['any', 'pop3', 'imap']
const REFUSED = 4

/** Newest first; the same time in the order of the names, so that the order of reading does not matter. */
export function compareLogins(a: UserLogin, b: UserLogin): number {
  return b.lastMs - a.lastMs || (a.user < b.user ? -1 : a.user > b.user ? 1 : 0)
}

/** What is stored of a record. */
export function encodeRecord(record: StoredRecord): EncodedRecord {
  const logins = record.users.map(({ user, lastMs, firstMs, service, refused, server }): StoredLogin => {
    return [user, lastMs, lastMs - firstMs, SERVICES.indexOf(service) | (refused ? REFUSED : 0), server]
  })
  return [record.session, record.told, record.forgottenMs, record.indexedMs, ...logins]
}

/** The inverse of {@link encodeRecord}. @throws {TableError} for anything else: a damaged record authorizes nobody */
export function decodeRecord(key: Uint8Array, stored: unknown): StoredRecord {
  if (!Array.isArray(stored) || stored.length < 4) throw damagedRecord(key)
  const [session, told, forgottenMs, indexedMs] = stored as EncodedRecord
  const isSound =
    typeof session === 'number' &&
    typeof told === 'number' &&
    typeof forgottenMs === 'number' &&
    typeof indexedMs === 'number'
  if (!isSound) throw damagedRecord(key)
  const users: UserLogin[] = []
  for (let i = 4; i < stored.length; i++) users.push(decodeLogin(key, stored[i] as StoredLogin))
  return { address: addressFromBytes(key), users, forgottenMs, told, session, indexedMs }
}

function decodeLogin(key: Uint8Array, stored: StoredLogin): UserLogin {
  if (!Array.isArray(stored) || stored.length !== 5) throw damagedRecord(key)
  const [user, lastMs, sinceMs, flags, server] = stored
  const service = SERVICES[flags & 3]
  const isSound =
    typeof user === 'string' &&
    typeof lastMs === 'number' &&
    typeof sinceMs === 'number' &&
    typeof server === 'string' &&
    service !== undefined
  if (!isSound) throw damagedRecord(key)
  return { user, lastMs, firstMs: lastMs - sinceMs, service, server, refused: (flags & REFUSED) !== 0 }
}

function damagedRecord(key: Uint8Array): TableError {
  const which = key.length === 16 ? `of ${addressFromBytes(key)}` : 'with a damaged key'
  return new DamagedTableError(`cannot read the table's record ${which}: it is damaged`, { mend: MEND_DAMAGED })
}

/** What to do about a table that is damaged. */
export const MEND_DAMAGED =
  'stop popauthd, run `popauthd rebuild` (it moves table.mdb away) and start popauthd again: the logs of the last window make a new table, and no decision is lost'
