/** The contract of what answers an MTA's lookups live. */

import type { Verdict } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'

/** Judges an address as of now, from memory, without waiting for anything. Undefined while the table is not loaded. */
export type Lookup = (address: ClientAddress) => Verdict | undefined

/** A server on one socket. Never hangs, never closes an idle connection, bounds what a peer can make it hold. */
export interface Responder extends AsyncDisposable {
  readonly name: string
  /** Binds and serves. @throws {SocketError} where the path is too long, is served already, or cannot be bound. */
  start(): Promise<void>
  /** Lookups answered since the start, and how many of them found an authorization. */
  readonly counts: { readonly lookups: number; readonly authorized: number; readonly connections: number }
}
