/** The table's facts about one address, and what changes of them mean to an MTA. */
import type { ClientAddress } from './client-address.ts'
import type { Service } from './login.ts'

/** The last login of one user from one address. */
export interface UserLogin {
  readonly user: string
  readonly lastMs: number
  /** Start of the present unbroken authorization by this user. */
  readonly firstMs: number
  readonly service: Service
  readonly server: string
  /** True where a limit refused this login: it is remembered, so that reading the line again changes nothing, but opens nothing. */
  readonly refused: boolean
}

/** All that the table knows of an address: facts from lines, never a clock reading. Users are ordered by `lastMs`, newest first. */
export interface AddressRecord {
  readonly address: ClientAddress
  readonly users: readonly UserLogin[]
}

/** Why an address may or may not relay at some instant. */
export type VerdictReason =
  | 'login' // a login within the window
  | 'always' // a configured network
  | 'allowed' // an operator's allow
  | 'never' // never networks: loopback, own addresses, gateways, configured
  | 'blocked' // an operator's block of the address or of every user who logged in
  | 'static' // a static map entry other than RELAY or OK
  | 'too_many_users' // more users at the address than the limit
  | 'too_many_addresses' // every user here is past the limit of addresses
  | 'revoked' // voided by an operator's revoke
  | 'expired' // the last login is older than the window
  | 'logged_out' // of a change only: whoever told of the logins said that they are over
  | 'ahead_of_clock' // the login is dated more than five minutes ahead of the clock
  | 'table_full' // the table holds as many addresses as it may
  | 'unknown' // no login seen

/** The answer to "may this address relay now?". */
export interface Verdict {
  readonly authorized: boolean
  readonly reason: VerdictReason
  /** End of the authorization, Unix milliseconds; absent where it has none (always) or where not authorized. */
  readonly untilMs?: number
  /** Time of the login that opens it, Unix milliseconds; absent where none does. */
  readonly loginMs?: number
  /** Whose login that is; log text, unescaped. */
  readonly user?: string
  /** One sentence for people; holds log text unescaped, and no time: whoever shows it knows the reader's zone. */
  readonly detail: string
}

/** A change of what an address may do. `extended` moves `untilMs` only. `until` of an `ended` change is absent. */
export interface TableChange {
  readonly kind: 'granted' | 'extended' | 'ended'
  readonly address: ClientAddress
  readonly atMs: number
  readonly untilMs?: number
  /** Of an `extended` change: the end that was told before, where there was one. */
  readonly beforeMs?: number
  readonly reason: VerdictReason
  /** The user whose login caused it, where one did. */
  readonly user?: string
  /** When that user logged in, by the line, Unix milliseconds; `atMs` is when the table took it in. */
  readonly loginMs?: number
}

/** One address that may relay now, for lists and publishers. */
export interface Authorization {
  readonly address: ClientAddress
  readonly untilMs?: number
  readonly reason: 'login' | 'always' | 'allowed'
  readonly users: readonly UserLogin[]
}
