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

/** One field that the grammar found. `column` is 0-based in `line.raw`. */
export interface ParsedField {
  readonly name: string
  readonly value: string
  readonly column: number
}

/**
 * Why a line is no login. `foreign`: another program wrote it. `ordinary`: this server wrote it, and it is known to be something
 * else (another service, an anonymous login). `suspect`: this server's tag and words, but not its grammar: a changed format or a forgery.
 */
export type Mismatch = 'foreign' | 'ordinary' | 'suspect'

/** Result of taking a line apart. `column` (0-based, in `line.raw`) is where the grammar failed. */
export type ParseResult =
  | { readonly kind: 'login'; readonly login: ParsedLogin }
  /** First line of two: remember `address` under the line's host, program and PID. */
  | { readonly kind: 'connect'; readonly address: ClientAddress }
  /** Second line of two: a login whose address a `connect` line gave. */
  | { readonly kind: 'login_without_address'; readonly user: string; readonly service: Service }
  /** Session ended or login failed: forget what `connect` remembered. */
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'logout'; readonly user: string; readonly address: ClientAddress; readonly service: Service }
  | { readonly kind: 'none'; readonly mismatch: Mismatch; readonly reason: string; readonly column: number }

/** One server's grammar. Pure: the same line gives the same result. Linear in the length of the line. */
export interface Parser {
  /** Short id, as in `--format` and in the corpus: `dovecot`, `qpopper`, `uw-imap`, `popa3d`. */
  readonly id: string
  /** Name for people. */
  readonly title: string
  /**
   * Every line that this parser can use holds at least one of these ASCII strings, also inside JSON (so none holds a quote, a
   * backslash or a control character). Each costs one pass over the log, and is the faster the rarer its first byte is in logs.
   */
  readonly literals: readonly string[]
  /** Strings that a line of another program holds only if somebody imitates this server: such a line is worth telling. */
  readonly forgeryMarks: readonly string[]
  /** The lines of one login, for people who look up what is recognized. */
  readonly sample: readonly string[]
  /**
   * Takes a line apart. `line` is out of its envelope; for the server's own file layout the parser is given `own-file` lines. What the
   * grammar finds on its way is added to `fields` where one is given (for people; a scan gives none).
   */
  parse(line: LogLine, fields?: ParsedField[]): ParseResult
}
