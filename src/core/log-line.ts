/** A line of a log, taken out of its envelope (syslog, ISO 8601, journald, the server's own file). */

/** Time as written: absolute where the line has year and zone, otherwise civil; `year` is missing in RFC 3164. `month` 1-12. */
export type LogTime =
  | { readonly kind: 'absolute'; readonly atMs: number }
  | {
      readonly kind: 'civil'
      readonly year?: number
      readonly month: number
      readonly day: number
      readonly hour: number
      readonly minute: number
      readonly second: number
      readonly millisecond: number
    }

/** Which envelope a line came in. `own-file`: the layout of the server's own log, which the server's parser reads itself. */
export type EnvelopeKind = 'syslog3164' | 'iso8601' | 'rfc5424' | 'journald-json' | 'own-file'

/** What the operator says of who may write a server's lines in the journal. Each part replaces what popauthd would ask there itself. */
export interface SenderRule {
  /** Units; a `*` stands for any text without a slash. */
  readonly units?: readonly string[]
  /** User ids. */
  readonly uids?: readonly number[]
  /** Program files, as absolute paths. */
  readonly executables?: readonly string[]
  /** True where the host's own journal is followed: an entry that does not tell its sender was not written by a server. */
  readonly isLive?: boolean
  /** True where systemd runs the host, so that each process belongs to a unit: a sender of no known unit has ended too soon, or hides. */
  readonly needsUnit?: boolean
}

/** Who sent a line, as journald itself recorded it (its trusted fields): no program can write these about itself. */
export interface LineSender {
  /** User id (`_UID`). */
  readonly uid?: number
  /** Process name (`_COMM`): a process may change its own. */
  readonly comm?: string
  /** Path of the running program (`_EXE`), as it was when journald looked: the sender may have started another one meanwhile. */
  readonly exe?: string
  /** The unit that systemd started its session or service as (`_SYSTEMD_UNIT`): no process without rights leaves its own. */
  readonly unit?: string
  /** What is asked of the sender instead of the usual. */
  readonly rule?: SenderRule
}

/** A line without its envelope. All text is untrusted. */
export interface LogLine {
  readonly envelope: EnvelopeKind
  readonly time: LogTime
  /** Empty where the envelope has none. */
  readonly host: string
  /** Program name of the tag, without path and PID. */
  readonly program: string
  readonly pid?: number
  readonly message: string
  /** The whole line as read, without its line end. */
  readonly raw: string
  /** Column (0-based) in `raw` where `message` starts, for messages to people. */
  readonly messageColumn: number
  /** Only where the envelope carries trusted fields (journald). */
  readonly sender?: LineSender
}
