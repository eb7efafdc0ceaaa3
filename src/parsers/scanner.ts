/**
 * Finds logins in raw log bytes. Each literal of the parsers is looked for in the whole chunk, and only the lines around a hit are touched:
 * a line without a hit costs the search and no more.
 */
import { isUtf8 } from 'node:buffer'
import type { LogLine } from '../core/log-line.ts'
import type { Login, Logout } from '../core/login.ts'
import type { ChunkFormat } from '../sources/source.ts'
import { LONGEST_COMMON_LINE, readCommonLine } from './common-form.ts'
import { CutLines, type StoredCut, writerKey } from './cut-lines.ts'
import { isPlain, LONGEST_LINE_BYTES, readLine, readPlainLine, type Unreadable } from './envelope.ts'
import { LineJoiner, type StoredSession, sessionKey } from './joiner.ts'
import { readJournalEntry } from './journal-envelope.ts'
import { LineEnds, type StoredLineEnds } from './line-ends.ts'
import { LineSearch, type OnFound } from './line-search.ts'
import { LineClock } from './line-time.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from './parser.ts'
import { PartialLines } from './partial-lines.ts'
import { readTime } from './time-field.ts'

/** What a {@link LoginScanner} works with. */
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
}

/** Where a line stands: `offset` in bytes from the start of the chunk; `line` is its text. */
export interface LinePlace {
  readonly offset: number
  /** Lines before it in the chunk. */
  readonly linesBefore: number
  readonly line: string
  /** True where the line says no year (RFC 3164), so that its year is the latest that is possible. */
  readonly yearInferred: boolean
}

/** A line that holds the words of a server's login but is none. `column` is 0-based, in `line`. All text is untrusted. */
export interface RejectedLine extends Omit<LinePlace, 'yearInferred'> {
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
export interface ScannerState {
  readonly lastMs: number | null
  readonly pending: readonly StoredSession[]
  readonly cuts?: readonly StoredCut[]
  /** Servers, each with its host, that announce their sessions. */
  readonly announcers?: readonly string[]
  readonly lineEnds?: StoredLineEnds
}

/** What one parser makes of one line, for people. */
export interface Explanation {
  readonly parser: string
  readonly title: string
  /** `login`, the two halves of a two-line login, `logout`, `disconnect`; or `none` with `reason` and `column`. */
  readonly outcome: ParseResult['kind']
  readonly fields: readonly ParsedField[]
  /** The login, where the line alone holds one. */
  readonly login?: Login
  readonly reason?: string
  readonly column: number
}

/** Scans the chunks of one log in their order. Holds state from line to line: one scanner for each log. */
export class LoginScanner {
  readonly #parsers: readonly Parser[]
  /** Finds the lines that some parser may take. */
  readonly search: LineSearch
  /** Of each string that is looked for, the parsers whose lines hold it. */
  readonly #takers: readonly (readonly Parser[])[]
  readonly #clock: LineClock
  readonly #joiner = new LineJoiner()
  readonly #cuts = new CutLines()
  readonly #lineEnds = new LineEnds()
  readonly #partialLines = new PartialLines()
  /** The servers of which lines were joined in this log. */
  readonly #joined = new Set<string>()
  /** The servers that announce their sessions in this log. */
  readonly #announcers = new Set<string>()
  readonly #maxLineBytes: number
  readonly #isShortcutAllowed: boolean
  /** Where the line starts that is being looked at, the line itself, and what came of it so far. */
  #lineStart = -1
  #line: OpenedLine | undefined
  #isTaken = false
  readonly #tried: Parser[] = []
  #closest: RejectedLine | undefined

  /** @throws {UsageError} for an unknown zone */
  constructor(options: LoginScannerOptions) {
    const { parsers, timezone, year, maxLineBytes = LONGEST_LINE_BYTES } = options
    this.#parsers = parsers
    const takers = takersByLiteral(parsers, options.logouts === true)
    this.search = new LineSearch([...takers.keys()])
    this.#takers = [...takers.values()]
    this.#clock = new LineClock(year === undefined ? { timezone } : { timezone, year })
    this.#maxLineBytes = maxLineBytes
    this.#isShortcutAllowed = options.shortcuts !== false
  }

  /**
   * Tells `on` of each login in `chunk`, which holds whole lines, each ended by LF (bytes behind the last LF are not looked at). A line is
   * told once. Returns the number of lines. Cost is linear in the chunk, whatever it holds.
   */
  scan(chunk: Buffer, info: ScanInfo, on: ScanHandler): number {
    return this.scanFound(chunk, info, on, (found) => this.search.search(chunk, found))
  }

  /** The same for a chunk that is searched otherwise than by its own {@link search}: `tell` tells of the lines. Returns what it returns. */
  scanFound<T>(chunk: Buffer, info: ScanInfo, on: ScanHandler, tell: (found: OnFound) => T): T {
    this.#lineEnds.enter(chunk)
    this.#partialLines.enter(chunk)
    const result = tell((start, end, string, linesBefore) => {
      if (start !== this.#lineStart) {
        this.#endLine(on)
        this.#lineStart = start
        this.#line = undefined
        this.#isTaken = end - start > this.#maxLineBytes
      }
      if (this.#isTaken) return
      if (this.#line === undefined) {
        const text = chunk.toString('latin1', start, end)
        if (this.#tryCommon(text, start, linesBefore, this.#takers[string] ?? [], info, on)) return
        this.#line = new OpenedLine(chunk, text, start, linesBefore, info.format)
      }
      this.#tryLine(this.#line, this.#takers[string] ?? [], info.newestMs, on)
    })
    this.#endLine(on)
    this.#lineEnds.leave()
    this.#partialLines.leave()
    return result
  }

  /**
   * Takes a line of a server's most frequent form, in which nothing can be wrong; true where it did. Only while no earlier line could speak
   * against it.
   */
  #tryCommon(
    line: string,
    offset: number,
    linesBefore: number,
    parsers: readonly Parser[],
    { format, newestMs }: ScanInfo,
    on: ScanHandler,
  ): boolean {
    if (!this.#isShortcutAllowed || format === 'journal-json' || line.length > LONGEST_COMMON_LINE) return false
    if (!this.#cuts.isEmpty) return false
    for (const parser of parsers) {
      if (this.#joined.has(parser.id)) return false
      const login = parser.common === undefined ? undefined : readCommonLine(parser.common, line)
      if (login === undefined) continue
      const time = readTime(line, 0)?.time
      const atMs = time === undefined ? undefined : this.#clock.toMs(time, newestMs)
      if (time === undefined || atMs === undefined) return false
      this.#isTaken = true
      const yearInferred = time.kind === 'civil' && time.year === undefined
      on.login(toLogin(parser, login, atMs), { offset, linesBefore, line, yearInferred })
      return true
    }
    return false
  }

  /** A line that no parser took is told of by the one that came closest. */
  #endLine(on: ScanHandler): void {
    const closest = this.#closest
    this.#closest = undefined
    this.#lineStart = -1
    this.#tried.length = 0
    if (closest !== undefined) on.rejected(closest)
  }

  #tryLine(line: OpenedLine, parsers: readonly Parser[], newestMs: number, on: ScanHandler): void {
    for (const parser of parsers) {
      if (this.#tried.includes(parser)) continue
      this.#tried.push(parser)
      const failed = this.#tryParser(parser, line, newestMs, on)
      if (failed === 'taken') {
        this.#isTaken = true
        this.#closest = undefined
        return
      }
      if (failed !== undefined && (this.#closest === undefined || this.#closest.column < failed.column)) {
        this.#closest = failed
      }
    }
  }

  /** Lets one parser try a line. Returns why it failed, where that should be told if no other takes the line. */
  #tryParser(
    parser: Parser,
    opened: OpenedLine,
    newestMs: number,
    on: ScanHandler,
  ): RejectedLine | 'taken' | undefined {
    const line = opened.lineFor(parser)
    if ('unreadable' in line) {
      this.#heedUnreadable(parser, opened, newestMs)
      const isForged = parser.forgeryMarks.some((mark) => opened.line.includes(mark))
      return isForged ? rejectedLine(opened, parser, line.unreadable, line.column) : undefined
    }
    const result = parser.parse(line)
    if (result.kind === 'none') {
      const { reason, column, mismatch, begins } = result
      if (begins !== undefined) this.#forget(parser, line, begins.session)
      if (!isTold(parser, line, result)) return undefined
      const rejected = rejectedLine(opened, parser, reason, column)
      return mismatch === 'foreign' ? { ...rejected, isForeign: true } : rejected
    }
    if (this.#partialLines.isRest(opened.line, opened.offset)) {
      return rejectedLine(opened, parser, 'it is the rest of a line that the container runtime parted', 0)
    }
    if (parser.crlf === true && !this.#lineEnds.isWhole(opened.offset)) {
      return rejectedLine(opened, parser, 'it stands behind a bare LF, which a client may have sent', 0)
    }
    const { offset, linesBefore } = opened
    const place = { offset, linesBefore, line: opened.line, yearInferred: hasNoYear(line) }
    const trouble = this.#take(parser, line, result, place, newestMs, on)
    if (trouble !== undefined) on.rejected(rejectedLine(opened, parser, trouble, 0))
    return 'taken'
  }

  /**
   * A line of bytes that no server should write gives nothing, but it may have been cut, and its rest stands in the next; or it begins a
   * session, and the address of the one before does not hold for it.
   */
  #heedUnreadable(parser: Parser, opened: OpenedLine, newestMs: number): void {
    const line = readLine(opened.line.replace(UNUSUAL, '?'))
    if ('unreadable' in line) return
    const result = parser.parse(line)
    if (result.kind === 'cut') this.#doubt(line, result, this.#clock.toMs(line.time, newestMs))
    else if (result.kind === 'connect' || result.kind === 'disconnect') this.#forget(parser, line, result.session)
    else if (result.kind === 'none' && result.begins !== undefined) this.#forget(parser, line, result.begins.session)
  }

  #forget(parser: Parser, line: LogLine, session: string | undefined): void {
    const key = sessionKey(parser.id, line, session)
    if (key !== undefined) this.#joiner.forget(key)
  }

  #doubt(line: LogLine, { reachMs }: Extract<ParseResult, { kind: 'cut' }>, atMs: number | undefined): void {
    if (atMs !== undefined) this.#cuts.add(writerKey(line), atMs, reachMs)
  }

  /** Acts on a line that `parser` took. Returns why nothing came of it, where nothing could. */
  #take(
    parser: Parser,
    line: LogLine,
    result: Exclude<ParseResult, { kind: 'none' }>,
    place: LinePlace,
    newestMs: number,
    on: ScanHandler,
  ): string | undefined {
    const atMs = this.#clock.toMs(line.time, newestMs)
    if (atMs === undefined) return 'no year makes the time of the line possible'
    if (result.kind === 'login') return this.#tell(parser, line, result.login, atMs, place, on)
    if (result.kind === 'logout') on.logout?.(toLogout(parser, result, atMs), place)
    else if (result.kind === 'cut') {
      this.#doubt(line, result, atMs)
      return result.reason
    } else return this.#join(parser, line, result, atMs, place, on)
    return undefined
  }

  /** Tells a login, unless lines before it speak against it: then why. */
  #tell(
    parser: Parser,
    line: LogLine,
    login: ParsedLogin,
    atMs: number,
    place: LinePlace,
    on: ScanHandler,
  ): string | undefined {
    const trouble = this.#contradiction(parser, line, login, atMs)
    if (trouble !== undefined) return trouble
    if (!this.#cuts.isEmpty && this.#cuts.mayContinue(writerKey(line), atMs)) {
      return 'its process may be writing what a client chose (see the line of it that was rejected before)'
    }
    on.login(toLogin(parser, login, atMs), place)
    return undefined
  }

  #join(parser: Parser, line: LogLine, result: PartOfLogin, atMs: number, place: LinePlace, on: ScanHandler) {
    this.#joined.add(parser.id)
    const key = sessionKey(parser.id, line, result.session)
    if (key === undefined) return 'no process id to join its two lines by'
    if (result.kind === 'connect') this.#joiner.connect(key, result.address, atMs)
    if (result.kind === 'announce') this.#announce(parser, line, key, atMs)
    if (result.kind === 'attempt') this.#joiner.attempt(key, result.user, atMs)
    if (result.kind === 'disconnect') this.#joiner.forget(key)
    if (result.kind !== 'login_without_address' && result.kind !== 'login_without_user') return undefined
    const known = this.#joiner.take(key, atMs)
    const address = result.kind === 'login_without_user' ? result.address : known?.address
    const user = result.kind === 'login_without_address' ? result.user : known?.user
    if (address === undefined) return 'no line of the connection was seen, so the address is not known'
    if (user === undefined) return 'no line of the attempt was seen, so the user is not known'
    if (known?.address !== undefined && known.address !== address) return `${known.address} is not ${address}`
    return this.#tell(parser, line, { ...result, address, user }, atMs, place, on)
  }

  #announce(parser: Parser, line: LogLine, key: string, atMs: number): void {
    this.#joiner.announce(key, atMs)
    if (this.#announcers.size < MOST_ANNOUNCERS) this.#announcers.add(announcerKey(parser.id, line))
  }

  /**
   * Why the lines before a login line speak against it: its connection told another address (an account's name may look like one), or it
   * has none where all others were announced (a client may have written the whole line).
   */
  #contradiction(parser: Parser, line: LogLine, login: ParsedLogin, atMs: number): string | undefined {
    const isAnnounced = login.session !== undefined && this.#announcers.has(announcerKey(parser.id, line))
    if (this.#joiner.size === 0 && !isAnnounced) return undefined
    const key = sessionKey(parser.id, line, login.session)
    const known = key === undefined ? undefined : this.#joiner.take(key, atMs)
    if (known === undefined) return isAnnounced ? 'no line announced its connection, as others are' : undefined
    if (known.address === undefined || known.address === login.address) return undefined
    // A line like this one may come again.
    if (key !== undefined) this.#joiner.connect(key, known.address, known.atMs)
    return 'its process has a connection from another address'
  }

  /**
   * What each parser makes of one line (without its line end), the closest first: who took it, then by the column where the grammar failed.
   * Changes no state: a two-line login is not joined. Undefined parts of the time are settled as in a scan.
   */
  explain(line: string, info: ScanInfo): readonly Explanation[] {
    const bytes = Buffer.from(`${line}\n`)
    const opened = new OpenedLine(bytes, bytes.toString('latin1', 0, bytes.length - 1), 0, 0, info.format)
    const tooLong = { unreadable: `longer than ${this.#maxLineBytes} bytes`, column: 0 }
    const isTooLong = bytes.length > this.#maxLineBytes + 1
    const explained = this.#parsers.map((parser) =>
      this.#explainOne(parser, isTooLong ? tooLong : opened.lineFor(parser), info),
    )
    return explained.sort((a, b) => rank(b) - rank(a))
  }

  #explainOne(parser: Parser, line: LogLine | Unreadable, info: ScanInfo): Explanation {
    const base = { parser: parser.id, title: parser.title }
    if ('unreadable' in line) {
      return { ...base, outcome: 'none', fields: [], reason: line.unreadable, column: line.column }
    }
    const fields: ParsedField[] = []
    const result = parser.parse(line, fields)
    if (result.kind === 'none') {
      return { ...base, outcome: 'none', fields, reason: result.reason, column: result.column }
    }
    const column = line.raw.length
    if (result.kind !== 'login') return { ...base, outcome: result.kind, fields, column }
    const lastMs = this.#clock.lastMs
    const atMs = this.#clock.toMs(line.time, info.newestMs)
    this.#clock.lastMs = lastMs
    if (atMs === undefined) {
      return { ...base, outcome: 'none', fields, reason: 'no year makes the time of the line possible', column: 0 }
    }
    return { ...base, outcome: 'login', fields, login: toLogin(parser, result.login, atMs), column }
  }

  /** What a restart between two lines of a login must not lose; bounded. */
  snapshot(): ScannerState {
    const lastMs = this.#clock.lastMs ?? null
    const pending = this.#joiner.snapshot(lastMs ?? 0)
    const cuts = this.#cuts.snapshot(lastMs ?? 0)
    const lineEnds = this.#lineEnds.snapshot()
    const announcers = [...this.#announcers]
    return {
      lastMs,
      pending,
      ...(cuts.length === 0 ? {} : { cuts }),
      ...(announcers.length === 0 ? {} : { announcers }),
      ...(lineEnds === undefined ? {} : { lineEnds }),
    }
  }

  /** Takes a snapshot back. Whatever is not one is left out. */
  restore(state: unknown): void {
    const { lastMs, pending, cuts, announcers, lineEnds } = (
      typeof state === 'object' && state !== null ? state : {}
    ) as Partial<ScannerState>
    this.#clock.lastMs = Number.isSafeInteger(lastMs) ? (lastMs as number) : undefined
    this.#joiner.restore(pending)
    this.#announcers.clear()
    for (const key of Array.isArray(announcers) ? announcers.slice(0, MOST_ANNOUNCERS) : []) {
      if (typeof key === 'string') this.#announcers.add(key)
    }
    this.#cuts.restore(cuts)
    this.#joined.clear()
    for (const key of [...this.#joiner.keys(), ...this.#announcers]) this.#joined.add(key.slice(0, key.indexOf('\t')))
    this.#lineEnds.restore(lineEnds)
  }
}

/** More servers than this in one log are not kept. */
const MOST_ANNOUNCERS = 10_000

function announcerKey(server: string, line: LogLine): string {
  return `${server}\t${line.host}`
}

/** Results that tell a part of a login, or that there will be none. */
type PartOfLogin = Exclude<ParseResult, { kind: 'none' | 'login' | 'logout' | 'cut' }>

/**
 * The strings to look for, each with the parsers to try on its lines. Of strings that hold one another the shortest is enough: it stands in
 * the same lines.
 */
function takersByLiteral(parsers: readonly Parser[], logouts: boolean): Map<string, Parser[]> {
  const wanted = parsers.flatMap((parser) =>
    [...parser.literals, ...(logouts ? (parser.logoutLiterals ?? []) : [])].map((text) => [text, parser] as const),
  )
  const texts = new Set(wanted.map(([text]) => text))
  const shortest = [...texts].filter((text) => ![...texts].some((other) => other !== text && text.includes(other)))
  const takers = new Map(shortest.map((text) => [text, [] as Parser[]]))
  for (const [text, parser] of wanted) {
    for (const [inner, list] of takers) if (text.includes(inner) && !list.includes(parser)) list.push(parser)
  }
  return takers
}

const UNUSUAL = /[^ -~]/g
const NOT_UTF8: Unreadable = { unreadable: 'bytes that are not UTF-8', column: 0 }
/** Columns of a server's own file may be parted by tabs. */
const UNPRINTABLE_BUT_TAB = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

/** A line that holds a string of some parser, opened as each of them wants it. */
class OpenedLine {
  readonly offset: number
  readonly linesBefore: number
  readonly line: string
  readonly #format: ScanInfo['format']
  /** Printable ASCII only. */
  readonly #isPlain: boolean
  readonly #isUtf8: boolean
  /** Out of an envelope that all servers may use. */
  #common: LogLine | Unreadable | undefined

  /** `latin`: the bytes of the line from `start` on, each a character. */
  constructor(chunk: Buffer, latin: string, start: number, linesBefore: number, format: ScanInfo['format']) {
    const end = start + latin.length
    this.offset = start
    this.linesBefore = linesBefore
    this.#format = format
    this.#isPlain = isPlain(latin)
    this.#isUtf8 = this.#isPlain || isUtf8(chunk.subarray(start, end))
    this.line = this.#isPlain ? latin : chunk.toString('utf8', start, end)
  }

  lineFor(parser: Parser): LogLine | Unreadable {
    if (!this.#isUtf8) return NOT_UTF8
    const own = parser.openLine === undefined ? undefined : this.#ownLayout(parser)
    this.#common ??= own === undefined ? openLine(this.line, this.#format, this.#isPlain) : undefined
    return own ?? (this.#common as LogLine | Unreadable)
  }

  #ownLayout(parser: Parser): LogLine | undefined {
    if (this.#format === 'journal-json') return undefined
    const { line } = this
    const raw = line.endsWith('\r') ? line.slice(0, -1) : line
    return this.#isPlain || !UNPRINTABLE_BUT_TAB.test(raw) ? parser.openLine?.(raw) : undefined
  }
}

function rejectedLine(
  { offset, linesBefore, line }: OpenedLine,
  { id: server, literals }: Parser,
  reason: string,
  column: number,
): RejectedLine {
  const rejected = { offset, linesBefore, line, server, reason, column }
  return literals.some((literal) => line.includes(literal)) ? rejected : { ...rejected, isLogout: true }
}

/** `plain` tells that the text is known to be printable ASCII. */
function openLine(text: string, format: ScanInfo['format'], plain: boolean): LogLine | Unreadable {
  if (format === 'journal-json' || (format === 'any' && text.startsWith('{'))) return readJournalEntry(text)
  return plain ? readPlainLine(text) : readLine(text)
}

function hasNoYear(line: LogLine | Unreadable): boolean {
  return !('unreadable' in line) && line.time.kind === 'civil' && line.time.year === undefined
}

/** Lines of other programs are told only where they imitate the server. */
function isTold(parser: Parser, line: LogLine, result: Extract<ParseResult, { kind: 'none' }>): boolean {
  if (result.mismatch === 'ordinary') return false
  return result.mismatch === 'suspect' || parser.forgeryMarks.some((mark) => line.message.includes(mark))
}

/** Written so that each shape of a login is made at once: this is done a million times a second. */
function toLogin({ id: server }: Parser, parsed: ParsedLogin, atMs: number): Login {
  const { user, address, service, tls, session } = parsed
  if (session === undefined) {
    if (tls === undefined) return { user, address, service, server, atMs }
    return { user, address, service, server, atMs, tls }
  }
  if (tls === undefined) return { user, address, service, server, atMs, session }
  return { user, address, service, server, atMs, tls, session }
}

function toLogout(parser: Parser, parsed: Extract<ParseResult, { kind: 'logout' }>, atMs: number): Logout {
  const { kind: _, ...rest } = parsed
  return { ...rest, server: parser.id, atMs }
}

function rank(explanation: Explanation): number {
  return explanation.outcome === 'none' ? explanation.column : Number.MAX_SAFE_INTEGER
}
