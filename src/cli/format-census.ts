/** Counts what a scan finds, per server: logins, who and from where, when, and what looked like a login and was none. */
import type { Login } from '../core/login.ts'
import type { Parser } from '../parsers/parser.ts'
import type { LinePlace, RejectedLine, ScanHandler } from '../parsers/scanner.ts'

/** More distinct users or addresses of one server than this are not told apart. */
const MOST_DISTINCT = 1_000_000
/** What is kept of a line. */
const LONGEST_LINE = 4096

/** What logs hold of one server. Times are Unix milliseconds; undefined where there is no login. */
export interface Detected {
  readonly server: string
  readonly title: string
  readonly logins: number
  /** Distinct ones, counted up to a million. */
  readonly users: number
  readonly addresses: number
  readonly firstMs: number | undefined
  readonly lastMs: number | undefined
  /** Lines that hold the words of a login of this server, and are none. */
  readonly failed: number
  /** The last of these, cut if it is very long. `column` is 0-based. */
  readonly lastFailed: FailedLine | undefined
}

/** A line that is no login, and why. All text is untrusted. */
interface FailedLine {
  readonly line: string
  readonly file: string
  readonly lineNumber: number
  readonly column: number
  readonly reason: string
}

/** Takes what scanners find, file after file. */
export class FormatCensus implements ScanHandler {
  readonly #counts: ReadonlyMap<string, ServerCount>
  #file = ''
  /** Lines of this file before the chunk, and of the files before it. */
  #lines = 0
  #linesBefore = 0

  constructor(parsers: readonly Parser[]) {
    this.#counts = new Map(parsers.map(({ id, title }) => [id, new ServerCount(id, title)]))
  }

  /** Lines of all files so far. */
  get lines(): number {
    return this.#linesBefore + this.#lines
  }

  /** What follows is of `file`. */
  startFile(file: string): void {
    this.#linesBefore += this.#lines
    this.#lines = 0
    this.#file = file
  }

  /** What follows is in a chunk before which `skippedLines` lines stood that nobody looked at. */
  startChunk(skippedLines: number): void {
    this.#lines += skippedLines
  }

  /** The chunk had that many lines. */
  endChunk(lines: number): void {
    this.#lines += lines
  }

  login(login: Login, _at: LinePlace): void {
    this.#counts.get(login.server)?.login(login)
  }

  rejected({ server, line, linesBefore, column, reason }: RejectedLine): void {
    const lineNumber = this.#lines + linesBefore + 1
    const kept = line.slice(0, LONGEST_LINE)
    this.#counts.get(server)?.failed({ line: kept, file: this.#file, lineNumber, column, reason })
  }

  /** What was found, the server with the most logins first; servers of which there is nothing are left out. */
  result(): readonly Detected[] {
    return [...this.#counts.values()]
      .map((count) => count.result())
      .filter(({ logins, failed }) => logins + failed > 0)
      .sort((a, b) => b.logins - a.logins || b.failed - a.failed)
  }
}

class ServerCount {
  readonly #server: string
  readonly #title: string
  readonly #users = new Set<string>()
  readonly #addresses = new Set<string>()
  #logins = 0
  #firstMs = Number.POSITIVE_INFINITY
  #lastMs = Number.NEGATIVE_INFINITY
  #failed = 0
  #lastFailed: FailedLine | undefined

  constructor(server: string, title: string) {
    this.#server = server
    this.#title = title
  }

  login({ user, address, atMs }: Login): void {
    this.#logins++
    if (this.#users.size < MOST_DISTINCT) this.#users.add(user)
    if (this.#addresses.size < MOST_DISTINCT) this.#addresses.add(address)
    this.#firstMs = Math.min(this.#firstMs, atMs)
    this.#lastMs = Math.max(this.#lastMs, atMs)
  }

  failed(line: FailedLine): void {
    this.#failed++
    this.#lastFailed = line
  }

  result(): Detected {
    const none = this.#logins === 0
    return {
      server: this.#server,
      title: this.#title,
      logins: this.#logins,
      users: this.#users.size,
      addresses: this.#addresses.size,
      firstMs: none ? undefined : this.#firstMs,
      lastMs: none ? undefined : this.#lastMs,
      failed: this.#failed,
      lastFailed: this.#lastFailed,
    }
  }
}
