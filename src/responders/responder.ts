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

/** What a session says to the bytes that came: Latin-1 text, none or more answers in the order of the requests. */
export interface Answers {
  readonly answers: string
  /** Requests that were answered. */
  readonly requests: number
  /** Nothing more is read from this peer: the answers go out, then the connection is closed. */
  readonly isOver: boolean
}

/** One connection's side of a protocol. Pure: no socket, no clock, and a bound on what it holds. */
export interface ProtocolSession {
  push(chunk: Buffer): Answers
  /** True while a request has begun and not ended. */
  readonly partial: boolean
  /** What is said where the peer has ended its side; a request that only that ends is answered so. */
  end?(): Answers
}

/** A protocol of lookups: a session for each connection. */
export interface Protocol {
  readonly name: string
  /** One question for each connection: who asks none is not waited for. */
  readonly isOneShot?: boolean
  session(lookup: Lookup): ProtocolSession
  /** The answer to one datagram, no longer than it must be; undefined: none is given. Absent where the protocol knows no datagrams. */
  datagram?(datagram: Buffer, lookup: Lookup): string | undefined
}
