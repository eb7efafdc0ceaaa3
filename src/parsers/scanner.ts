/**
 * Finds logins in raw log bytes. Each literal of the parsers is looked for in the whole chunk, and only the lines around a hit are touched:
 * a line without a hit costs the search and no more.
 */
import type { LogLine } from '../core/log-line.ts'
import { LONGEST_COMMON_LINE, readCommonLine } from './common-form.ts'
import { LONGEST_LINE_BYTES, readLine, type Unreadable } from './envelope.ts'
import { explainLine } from './explain-line.ts'
import { LineEnds } from './line-ends.ts'
import { LineSearch, type OnFound } from './line-search.ts'
import { LineClock } from './line-time.ts'
import { takersByLiteral } from './literal-takers.ts'
import { OpenedLine } from './opened-line.ts'
import type { ParsedLogin, ParseResult, Parser } from './parser.ts'
import { PartialLines } from './partial-lines.ts'
import type {
  Explanation,
  LinePlace,
  LoginScannerOptions,
  RejectedLine,
  ScanHandler,
  ScanInfo,
  ScannerState,
} from './scan-types.ts'
import { SessionLines } from './session-lines.ts'
import { readTime } from './time-field.ts'
import { toLogin, toLogout } from './to-login.ts'

export type * from './scan-types.ts'

/** Scans the chunks of one log in their order. Holds state from line to line: one scanner for each log. */
export class LoginScanner {
  readonly #parsers: readonly Parser[]
  /** Finds the lines that some parser may take. */
  readonly search: LineSearch
  /** Of each string that is looked for, the parsers whose lines hold it. */
  readonly #takers: readonly (readonly Parser[])[]
  readonly #clock: LineClock
  readonly #sessions = new SessionLines()
  /** Only where a server's lines must be told from those that its clients made it write. */
  readonly #lineEnds: LineEnds | undefined
  readonly #partialLines = new PartialLines()
  readonly #maxLineBytes: number
  readonly #isShortcutAllowed: boolean
  /** Where the line starts that is being looked at, the line itself, and what came of it so far. */
  #lineStart = -1
  #line: OpenedLine | undefined
  #isTaken = false
  readonly #tried: Parser[] = []
  #closest: RejectedLine | undefined
  /** The time that was read last, and what came of it. */
  #lastTime = { text: '', newestMs: Number.NaN, atMs: 0 }

  /** @throws {UsageError} for an unknown zone */
  constructor(options: LoginScannerOptions) {
    const { parsers, timezone, year, maxLineBytes = LONGEST_LINE_BYTES } = options
    this.#parsers = parsers
    this.#lineEnds = parsers.some(({ crlf }) => crlf === true) ? new LineEnds() : undefined
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
    this.#clock.oldestMs = info.oldestMs ?? Number.NEGATIVE_INFINITY
    this.#lineEnds?.enter(chunk)
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
    this.#lineEnds?.leave()
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
    for (const parser of parsers) {
      if (!this.#sessions.areSilentOn(parser)) return false
      const login = parser.common === undefined ? undefined : readCommonLine(parser.common, line)
      if (login === undefined) continue
      const atMs = this.#commonTime(line, newestMs)
      if (atMs === undefined) return false
      this.#isTaken = true
      const yearInferred = hasMonthFirst(line)
      on.login(toLogin(parser, login, atMs), { offset, linesBefore, line, yearInferred, isZoned: !yearInferred })
      return true
    }
    return false
  }

  /** The time of a line of a common form. Many lines of a log have the second of the line before. */
  #commonTime(line: string, newestMs: number): number | undefined {
    const text = hasMonthFirst(line) ? line.slice(0, MONTH_TIME_LENGTH) : undefined
    const last = this.#lastTime
    const isSame = text !== undefined && text === last.text && newestMs === last.newestMs
    if (isSame && this.#clock.lastMs === last.atMs) return last.atMs
    const time = readTime(line, 0)?.time
    const atMs = time === undefined ? undefined : this.#clock.toMs(time, newestMs)
    if (text !== undefined && atMs !== undefined) this.#lastTime = { text, newestMs, atMs }
    return atMs
  }

  /** A line that no parser took is told of by the one that came closest. */
  #endLine(on: ScanHandler): void {
    const closest = this.#closest
    this.#closest = undefined
    this.#lineStart = -1
    if (this.#tried.length > 0) this.#tried.length = 0
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
      if (begins !== undefined) this.#sessions.forget(parser, line, begins.session)
      if (!isTold(parser, line, result)) return undefined
      const rejected = rejectedLine(opened, parser, reason, column)
      return mismatch === 'foreign' ? { ...rejected, isForeign: true } : rejected
    }
    if (this.#partialLines.isRest(opened.line, opened.offset)) {
      return rejectedLine(opened, parser, 'it is the rest of a line that the container runtime parted', 0)
    }
    if (parser.crlf === true && this.#lineEnds?.isWhole(opened.offset) !== true) {
      return rejectedLine(opened, parser, 'it stands behind a bare LF, which a client may have sent', 0)
    }
    const { offset, linesBefore } = opened
    const isZoned = line.time.kind === 'absolute'
    const place = { offset, linesBefore, line: opened.line, yearInferred: hasNoYear(line), isZoned }
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
    if (result.kind === 'cut') this.#sessions.doubt(line, result, this.#clock.toMs(line.time, newestMs))
    else if (result.kind === 'connect' || result.kind === 'disconnect')
      this.#sessions.forget(parser, line, result.session)
    else if (result.kind === 'none' && result.begins !== undefined)
      this.#sessions.forget(parser, line, result.begins.session)
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
    if (result.kind === 'logout') {
      on.logout?.(toLogout(parser, result, atMs), place)
      return undefined
    }
    if (result.kind === 'cut') {
      this.#sessions.doubt(line, result, atMs)
      return result.reason
    }
    const login = result.kind === 'login' ? result.login : this.#sessions.join(parser, line, result, atMs)
    if (login === undefined || typeof login === 'string') return login
    return this.#tell(parser, line, login, atMs, place, on)
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
    const objection = this.#sessions.objection(parser, line, login, atMs)
    if (objection === undefined) on.login(toLogin(parser, login, atMs), place)
    return objection
  }

  /** What each parser makes of one line: see {@link explainLine}. */
  explain(line: string, info: ScanInfo): readonly Explanation[] {
    const parts = { parsers: this.#parsers, clock: this.#clock, maxLineBytes: this.#maxLineBytes }
    return explainLine(parts, line, info)
  }

  /** What a restart between two lines of a login must not lose; bounded. */
  snapshot(): ScannerState {
    const lastMs = this.#clock.lastMs ?? null
    const lineEnds = this.#lineEnds?.snapshot()
    const sessions = this.#sessions.snapshot(lastMs ?? 0)
    return lineEnds === undefined ? { lastMs, ...sessions } : { lastMs, ...sessions, lineEnds }
  }

  /** Takes a snapshot back. Whatever is not one is left out. */
  restore(state: unknown): void {
    const stored = (typeof state === 'object' && state !== null ? state : {}) as Partial<ScannerState>
    this.#clock.lastMs = Number.isSafeInteger(stored.lastMs) ? (stored.lastMs as number) : undefined
    this.#sessions.restore(stored)
    this.#lineEnds?.restore(stored.lineEnds)
  }
}

/** `Nov 22 13:35:56`, which tells no year. */
const MONTH_TIME_LENGTH = 15

/** True where a common form begins with a month, false where it begins with a year; then it names its zone too. */
function hasMonthFirst(line: string): boolean {
  return line.charCodeAt(0) > 57
}

const UNUSUAL = /[^ -~]/g

function rejectedLine(
  { offset, linesBefore, line }: OpenedLine,
  { id: server, literals }: Parser,
  reason: string,
  column: number,
): RejectedLine {
  const rejected = { offset, linesBefore, line, server, reason, column }
  return literals.some((literal) => line.includes(literal)) ? rejected : { ...rejected, isLogout: true }
}

function hasNoYear(line: LogLine | Unreadable): boolean {
  return !('unreadable' in line) && line.time.kind === 'civil' && line.time.year === undefined
}

/** Lines of other programs are told only where they imitate the server. */
function isTold(parser: Parser, line: LogLine, result: Extract<ParseResult, { kind: 'none' }>): boolean {
  if (result.mismatch === 'ordinary') return false
  return result.mismatch === 'suspect' || parser.forgeryMarks.some((mark) => line.message.includes(mark))
}
