/** The contract of a parser: one POP3/IMAP server's success lines, recognized as a whole or not at all. */
import type { ClientAddress } from '../core/client-address.ts'
import type { LogLine } from '../core/log-line.ts'
import type { Service } from '../core/login.ts'
import type { CommonForm } from './common-form.ts'

/** What a line says, without its time: the envelope settles that. */
export interface ParsedLogin {
  readonly user: string
  readonly address: ClientAddress
  readonly service: Service
  readonly tls?: boolean
  /** The server's own id of the session, where the line tells it: a logout may name nothing else. */
  readonly session?: string
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

/**
 * Result of taking a line apart. Lines of one session belong together by `session`, an id of the server's own that no client chooses
 * and that is told in each of them; without one by host, program and PID. `column` (0-based, in `line.raw`) is where the grammar failed.
 */
export type ParseResult =
  | { readonly kind: 'login'; readonly login: ParsedLogin }
  /** Tells the address of a session whose login is told later. */
  | { readonly kind: 'connect'; readonly address: ClientAddress; readonly session?: string }
  /**
   * Announces a session, and not whose it is. Where lines like it stand in a log, a login of that host and server that names a `session`
   * counts only if it was announced, and once.
   */
  | { readonly kind: 'announce'; readonly session: string }
  /** Tells who tries to log in in a session. */
  | { readonly kind: 'attempt'; readonly user: string; readonly session?: string }
  /** A login whose address a `connect` line gave. */
  | {
      readonly kind: 'login_without_address'
      readonly user: string
      readonly service: Service
      readonly tls?: boolean
      readonly session?: string
    }
  /** A login whose user an `attempt` line gave. */
  | {
      readonly kind: 'login_without_user'
      readonly address: ClientAddress
      readonly service: Service
      readonly session?: string
    }
  /** Session ended or login failed: forget what the session's lines told. */
  | { readonly kind: 'disconnect'; readonly session?: string }
  /** The end of a session that was logged in; `address` or `session` says which, where the line tells either. */
  | {
      readonly kind: 'logout'
      readonly user: string
      readonly service: Service
      readonly address?: ClientAddress
      readonly session?: string
    }
  /**
   * A line that a full buffer cut: the rest, which a client may have chosen, can stand in lines of its own. Logins of that process that come
   * at once behind it do not count, whatever server's; with `reachMs`, none for so long.
   */
  | { readonly kind: 'cut'; readonly reason: string; readonly reachMs?: number }
  | {
      readonly kind: 'none'
      readonly mismatch: Mismatch
      readonly reason: string
      readonly column: number
      /** Where the line begins a session and does not say whose: what was told of an earlier one of the same name holds no more. */
      readonly begins?: { readonly session?: string }
    }

/** One server's grammar. Pure: the same line gives the same result. Linear in the length of the line. */
export interface Parser {
  /** Short id, as in `--format` and in `servers` of the configuration: `dovecot`, `uw-imap`. */
  readonly id: string
  /** Name for people. */
  readonly title: string
  /**
   * Every line that this parser can use holds at least one of these ASCII strings, also inside JSON (so none holds a
   * backslash or a control character, nor a quote unless {@link isOwnFileOnly}). All are looked for in one pass over the log;
   * each has 3 to 64 characters.
   */
  readonly literals: readonly string[]
  /** True where every line stands in a file of the server's own layout, so none inside JSON. */
  readonly isOwnFileOnly?: true
  /** The same for its lines about the end of a session, if it has any: looked for only where somebody wants to know. */
  readonly logoutLiterals?: readonly string[]
  /** Strings that a line of another program holds only if somebody imitates this server: such a line is worth telling. */
  readonly forgeryMarks: readonly string[]
  /** The lines of one login, for people who look up what is recognized. */
  readonly sample: readonly string[]
  /**
   * Takes a line of the server's own log file out of its layout, where that is none that envelope.ts knows; undefined where it is not of
   * that layout. Anchored at the first byte, so that no line of a syslog is taken for one. `raw` holds no control character but tabs.
   */
  openLine?(raw: string): LogLine | undefined
  /**
   * True where the server ends each line of its own file with CR LF: then a line behind a bare LF, in a log that has CR LF elsewhere, was
   * written by a client whose text the server passed on, and counts for nothing.
   */
  readonly crlf?: boolean
  /** Its most frequent line: a shortcut for speed, which makes the same of a line as {@link parse} or leaves it to that. */
  readonly common?: CommonForm
  /** Takes a line apart. What the grammar finds on its way is added to `fields` where one is given (for people; a scan gives none). */
  parse(line: LogLine, fields?: ParsedField[]): ParseResult
}
