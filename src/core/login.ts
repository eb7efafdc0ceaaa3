/** What a parser makes of a line that tells of a successful login. */
import type { ClientAddress } from './client-address.ts'

/** The mail service a client used, with or without TLS; `any` where the line does not tell which of the two. */
export type Service = 'pop3' | 'imap' | 'any'

/** One successful POP3 or IMAP login. */
export interface Login {
  /** As the server wrote it, after its own unescaping; never holds a control character. */
  readonly user: string
  readonly address: ClientAddress
  readonly service: Service
  /** Id of the parser that took the line, for instance `dovecot`. */
  readonly server: string
  /** Time of the line (not of its reading), Unix milliseconds. */
  readonly atMs: number
  /** True or false where the line tells whether the session is protected by TLS. */
  readonly tls?: boolean
  /** The server's own id of the session, where the line tells one. Untrusted text. */
  readonly session?: string
}

/** The end of a session that was logged in. `address` or `session` tells which; without either it is one of the user's, nobody knows which. */
export interface Logout {
  readonly user: string
  readonly service: Service
  /** Id of the parser that took the line. */
  readonly server: string
  /** Time of the line, Unix milliseconds. */
  readonly atMs: number
  readonly address?: ClientAddress
  readonly session?: string
}

/** All that `server` told of logins from `address` is over. It names no user. */
export interface AddressLogout {
  readonly address: ClientAddress
  /** As the logins have it. */
  readonly server: string
  /** When that was said, Unix milliseconds. */
  readonly atMs: number
}
