/** What a scan is given, and what it tells. */
import type { Login, Logout } from '../core/login.ts'
import type { ChunkFormat } from '../sources/source.ts'
import type { StoredLineEnds } from './line-ends.ts'
import type { ParsedField, ParseResult, Parser } from './parser.ts'
import type { StoredSessionLines } from './session-lines.ts'

/** What a LoginScanner works with. */
export interface LoginScannerOptions {
  readonly parsers: readonly Parser[]
  /** Zone of times without one: an IANA name or `local`. */
  readonly timezone: string
  /** Year of times without one; without it the year is inferred. */
  readonly year?: number
  /** Longer lines give nothing. Default 16 KiB. */
  readonly maxLineBytes?: number
  /** False: every line goes through the whole grammar. Only tests want that. */
  readonly shortcuts?: boolean
  /** True: the ends of sessions are looked for and told as well. */
  readonly logouts?: boolean
}

/** What a chunk holds, and the newest time (Unix milliseconds) that a line in it can have. */
export interface ScanInfo {
  /** `any`: each line may be either, told by its first byte; for files that somebody saved, never for a log that grants. */
  readonly format: ChunkFormat | 'any'
  readonly newestMs: number
  /** When the log had been read to its end before this chunk, so that no line of it was written earlier; left out where that is not known. */
  readonly oldestMs?: number | undefined
}

/** Where a line stands: `offset` in bytes from the start of the chunk; `line` is its text. */
export interface LinePlace {
  readonly offset: number
  /** Lines before it in the chunk. */
  readonly linesBefore: number
  readonly line: string
  /** True where the line says no year (RFC 3164), so that its year is the latest that is possible. */
  readonly yearInferred: boolean
  /** True where the line says in which zone its time is. */
  readonly isZoned: boolean
}

/** A line that holds the words of a server's login but is none. `column` is 0-based, in `line`. All text is untrusted. */
export interface RejectedLine extends Omit<LinePlace, 'yearInferred' | 'isZoned'> {
  /** Id of the parser that came closest. */
  readonly server: string
  readonly reason: string
  readonly column: number
  /** True where another program wrote it: an imitation, or the server has a new name in the log. */
  readonly isForeign?: true
  /** True where it holds the words of the end of a session, and none of a login. */
  readonly isLogout?: true
}

/** Told of what a scan finds, in the order of the lines. */
export interface ScanHandler {
  login(login: Login, at: LinePlace): void
  rejected(line: RejectedLine): void
  logout?(logout: Logout, at: LinePlace): void
}

/** What must survive a restart between two lines: plain JSON. */
export interface ScannerState extends StoredSessionLines {
  readonly lastMs: number | null
  readonly lineEnds?: StoredLineEnds
}

/** What one parser makes of one line, for people. */
export interface Explanation {
  readonly parser: string
  readonly title: string
  /** What the line is, see {@link ParseResult}; `none` with `reason` and `column`. */
  readonly outcome: ParseResult['kind']
  readonly fields: readonly ParsedField[]
  /** The login, where the line alone holds one. */
  readonly login?: Login
  readonly reason?: string
  readonly column: number
}
