/** The contract of a parser: one POP3/IMAP server's success lines, recognized as a whole or not at all. */
import type { ClientAddress } from '../core/client-address.ts'
import type { LogLine } from '../core/log-line.ts'
import type { Service } from '../core/login.ts'

/** What a line says, without its time: the envelope settles that. */
export interface ParsedLogin {
  readonly user: string
  readonly address: ClientAddress
  readonly service: Service
  readonly tls?: boolean
}

/** Result of taking a line apart. `column` (0-based, in `line.raw`) is where the grammar failed. */
export type ParseResult =
  | { readonly kind: 'login'; readonly login: ParsedLogin; readonly fields: Readonly<Record<string, string>> }
  /** First line of two: remember `address` (or what else it says) under the line's host, program and PID. */
  | { readonly kind: 'connect'; readonly address: ClientAddress }
  /** Second line of two: a login whose address a `connect` line gave. */
  | { readonly kind: 'login_without_address'; readonly user: string; readonly service: Service }
  /** Session ended or login failed: forget what `connect` remembered. */
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'logout'; readonly user: string; readonly address: ClientAddress; readonly service: Service }
  | { readonly kind: 'none'; readonly reason: string; readonly column: number }

/** A sample line with what must come out of it. */
export interface ParserSample {
  readonly lines: readonly string[]
  readonly expect: { readonly user: string; readonly ip: string; readonly service: Service } | null
  readonly comment: string
}

/** One server's grammar. Pure: the same line gives the same result. Linear in the length of the line. */
export interface Parser {
  /** Short id, as in `--format` and in the corpus: `dovecot`, `qpopper`, `uw-imap`, `popa3d`. */
  readonly id: string
  /** Name for people. */
  readonly title: string
  /** Every line that this parser can use holds at least one of these byte strings. */
  readonly literals: readonly string[]
  /** Takes a line apart. `line` is out of its envelope; for the server's own file layout the parser is given `own-file` lines. */
  parse(line: LogLine): ParseResult
}
