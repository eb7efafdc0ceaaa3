/**
 * Finds logins in raw log bytes. Each literal of the parsers is looked for in the whole chunk, and only the lines around a hit are touched:
 * a line without a hit costs the search and no more.
 */
import { isUtf8 } from 'node:buffer'
import type { LogLine } from '../core/log-line.ts'
import type { Login } from '../core/login.ts'
import type { ChunkFormat } from '../sources/source.ts'
import { ByteSearch } from './byte-search.ts'
import { isPlain, LONGEST_LINE_BYTES, readLine, readPlainLine, type Unreadable } from './envelope.ts'
import { LineJoiner, type PendingConnection, processKey } from './joiner.ts'
import { readJournalEntry } from './journal-envelope.ts'
import { LineClock } from './line-time.ts'
import type { ParsedField, ParsedLogin, ParseResult, Parser } from './parser.ts'

/** What a {@link LoginScanner} works with. */
export interface LoginScannerOptions {
  readonly parsers: readonly Parser[]
  /** Zone of times without one: an IANA name or `local`. */
  readonly timezone: string
  /** Year of times without one; without it the year is inferred. */
  readonly year?: number
  /** Longer lines give nothing. Default 16 KiB. */
  readonly maxLineBytes?: number
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
  readonly line: string
  /** True where the line says no year (RFC 3164), so that its year is the latest that is possible. */
  readonly yearInferred: boolean
}

/** A line that holds the words of a server's login but is none. `column` is 0-based, in `line`. All text is untrusted. */
export interface RejectedLine extends LinePlace {
  /** Id of the parser that came closest. */
  readonly server: string
  readonly reason: string
  readonly column: number
}

/** Told of what a scan finds, in the order of the lines. */
export interface ScanHandler {
  login(login: Login, at: LinePlace): void
  rejected(line: RejectedLine): void
  logout?(logout: Login, at: LinePlace): void
}

/** What must survive a restart between two lines: plain JSON. */
export interface ScannerState {
  readonly lastMs: number | null
  readonly pending: readonly PendingConnection[]
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
  readonly #search: ByteSearch
  /** Of each literal, its parser's index as a bit. */
  readonly #bits: readonly number[]
  /** Of each literal, where it stands next in the chunk; -1: nowhere. */
  readonly #next: number[]
  readonly #clock: LineClock
  readonly #joiner = new LineJoiner()
  readonly #maxLineBytes: number

  /** @throws {UsageError} for an unknown zone */
  constructor(options: LoginScannerOptions) {
    const { parsers, timezone, year, maxLineBytes = LONGEST_LINE_BYTES } = options
    this.#parsers = parsers
    this.#search = new ByteSearch(
      parsers.flatMap(({ literals }) => literals.map((text) => Buffer.from(text, 'latin1'))),
    )
    this.#bits = parsers.flatMap(({ literals }, index) => literals.map(() => 1 << index))
    this.#next = this.#bits.map(() => -1)
    this.#clock = new LineClock(year === undefined ? { timezone } : { timezone, year })
    this.#maxLineBytes = maxLineBytes
  }

  /**
   * Tells `on` of each login in `chunk`, which holds whole lines, each ended by LF (bytes behind the last LF are not looked at). A line is
   * told once. Cost is linear in the chunk, whatever it holds.
   */
  scan(chunk: Buffer, info: ScanInfo, on: ScanHandler): void {
    let from = 0
    this.#search.enter(chunk)
    for (let i = 0; i < this.#next.length; i++) this.#next[i] = this.#search.find(i, 0)
    for (;;) {
      const hit = this.#nearestHit()
      if (hit < 0) return
      const end = chunk.indexOf(10, hit)
      if (end < 0) return
      const start = chunk.lastIndexOf(10, hit) + 1
      const bits = this.#takeHits(end)
      if (start >= from && end - start <= this.#maxLineBytes) this.#scanLine(chunk, start, end, bits, info, on)
      from = end
    }
  }

  #nearestHit(): number {
    let nearest = -1
    for (const next of this.#next) if (next >= 0 && (nearest < 0 || next < nearest)) nearest = next
    return nearest
  }

  /** The parsers whose literals stand before `end`, as bits; their searches go on behind it. */
  #takeHits(end: number): number {
    let bits = 0
    for (let i = 0; i < this.#next.length; i++) {
      const next = this.#next[i] as number
      if (next < 0 || next >= end) continue
      bits |= this.#bits[i] as number
      this.#next[i] = this.#search.find(i, end)
    }
    return bits
  }

  #scanLine(chunk: Buffer, start: number, end: number, bits: number, info: ScanInfo, on: ScanHandler): void {
    const latin = chunk.toString('latin1', start, end)
    const plain = isPlain(latin)
    const bytes = plain ? undefined : chunk.subarray(start, end)
    const text = bytes === undefined ? latin : bytes.toString('utf8')
    const line = bytes === undefined || isUtf8(bytes) ? openLine(text, info.format, plain) : NOT_UTF8
    const place = { offset: start, line: text, yearInferred: hasNoYear(line) }
    if ('unreadable' in line) this.#tellUnreadable(line, bits, place, on)
    else this.#parseLine(line, bits, place, info.newestMs, on)
  }

  #parseLine(line: LogLine, bits: number, place: LinePlace, newestMs: number, on: ScanHandler): void {
    let closest: RejectedLine | undefined
    for (let i = 0; i < this.#parsers.length; i++) {
      if ((bits & (1 << i)) === 0) continue
      const parser = this.#parsers[i] as Parser
      const result = parser.parse(line)
      if (result.kind !== 'none') {
        const trouble = this.#take(parser, line, result, place, newestMs, on)
        if (trouble !== undefined) on.rejected({ ...place, server: parser.id, reason: trouble, column: 0 })
        return
      }
      if (!isTold(parser, line, result) || (closest !== undefined && closest.column >= result.column)) continue
      closest = { ...place, server: parser.id, reason: result.reason, column: result.column }
    }
    if (closest !== undefined) on.rejected(closest)
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
    if (result.kind === 'login') {
      if (this.#isFromElsewhere(parser, line, result.login, atMs))
        return 'its process has a connection from another address'
      on.login(toLogin(parser, result.login, atMs), place)
    } else if (result.kind === 'logout') on.logout?.(toLogin(parser, result, atMs), place)
    else return this.#join(parser, line, result, atMs, place, on)
    return undefined
  }

  #join(
    parser: Parser,
    line: LogLine,
    result: Extract<ParseResult, { kind: 'connect' | 'disconnect' | 'login_without_address' }>,
    atMs: number,
    place: LinePlace,
    on: ScanHandler,
  ): string | undefined {
    const key = processKey(parser.id, line.host, line.program, line.pid)
    if (key === undefined) return 'no process id to join its two lines by'
    if (result.kind === 'connect') this.#joiner.connect(key, result.address, atMs)
    if (result.kind === 'disconnect') this.#joiner.forget(key)
    if (result.kind !== 'login_without_address') return undefined
    const address = this.#joiner.take(key, atMs)
    if (address === undefined) return 'no line of the connection was seen, so the address is not known'
    on.login(toLogin(parser, { ...result, address }, atMs), place)
    return undefined
  }

  /** True for a login line with an address where the line of its connection told another one: an account's name may look like an address. */
  #isFromElsewhere(parser: Parser, line: LogLine, login: ParsedLogin, atMs: number): boolean {
    if (this.#joiner.size === 0) return false
    const key = processKey(parser.id, line.host, line.program, line.pid)
    const address = key === undefined ? undefined : this.#joiner.take(key, atMs)
    return address !== undefined && address !== login.address
  }

  /** A line in no envelope: told only where it holds what nobody else would write. */
  #tellUnreadable(why: Unreadable, bits: number, place: LinePlace, on: ScanHandler): void {
    const parser = this.#parsers.find(
      ({ forgeryMarks }, i) => (bits & (1 << i)) !== 0 && forgeryMarks.some((mark) => place.line.includes(mark)),
    )
    if (parser !== undefined) on.rejected({ ...place, server: parser.id, reason: why.unreadable, column: why.column })
  }

  /**
   * What each parser makes of one line (without its line end), the closest first: who took it, then by the column where the grammar failed.
   * Changes no state: a two-line login is not joined. Undefined parts of the time are settled as in a scan.
   */
  explain(line: string, info: ScanInfo): readonly Explanation[] {
    const bytes = Buffer.byteLength(line)
    const opened: LogLine | Unreadable =
      bytes > this.#maxLineBytes
        ? { unreadable: `longer than ${this.#maxLineBytes} bytes`, column: 0 }
        : openLine(line, info.format, false)
    const explained = this.#parsers.map((parser) => this.#explainOne(parser, opened, info))
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
    return { lastMs, pending: this.#joiner.snapshot(lastMs ?? 0) }
  }

  /** Takes a snapshot back. Whatever is not one is left out. */
  restore(state: unknown): void {
    const { lastMs, pending } = (typeof state === 'object' && state !== null ? state : {}) as Partial<ScannerState>
    this.#clock.lastMs = Number.isSafeInteger(lastMs) ? (lastMs as number) : undefined
    this.#joiner.restore(pending)
  }
}

const NOT_UTF8: Unreadable = { unreadable: 'bytes that are not UTF-8', column: 0 }

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

function toLogin(parser: Parser, parsed: ParsedLogin, atMs: number): Login {
  const { user, address, service, tls } = parsed
  return tls === undefined
    ? { user, address, service, server: parser.id, atMs }
    : { user, address, service, server: parser.id, atMs, tls }
}

function rank(explanation: Explanation): number {
  return explanation.outcome === 'none' ? explanation.column : Number.MAX_SAFE_INTEGER
}
