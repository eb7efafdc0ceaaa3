/** What `scan` prints: one line a login, gathered into large writes, and a summary. */
import type { Login } from '../core/login.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { LinePlace, RejectedLine, ScanHandler } from '../parsers/scanner.ts'
import type { CliContext } from './context.ts'
import { counted, jsonText, localTime, print } from './output.ts'

/** Bytes that are gathered before they are written; on a terminal each chunk's lines are shown at once. */
const WRITE_BYTES = 256 * 1024

/** Text that JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/

/** Takes what a scanner finds and prints it. Knows the number of the line that it is at. */
export class LoginPrinter implements ScanHandler {
  readonly #context: CliContext
  readonly #json: boolean
  readonly #gathered = new TextBuffer()
  #file = ''
  /** `"file":"...","lineNumber":` of the present file, escaped once. */
  #fileText = ''
  #minuteMs = Number.NEGATIVE_INFINITY
  /** `2026-11-22T16:44:` of `#minuteMs`. */
  #minuteText = ''
  /** Lines of this file before the chunk. */
  #lines = 0
  #logins = 0
  #rejected = 0
  #allLines = 0

  constructor(context: CliContext, json: boolean) {
    this.#context = context
    this.#json = json
  }

  /** What follows is of `file`. */
  startFile(file: string): void {
    this.#allLines += this.#lines
    this.#lines = 0
    this.#file = escapeForTerminal(file)
    this.#fileText = `"file":${jsonText(file)},"lineNumber":`
  }

  /** What follows is in a chunk before which `skippedLines` lines stood that nobody looked at. */
  startChunk(skippedLines: number): void {
    this.#lines += skippedLines
  }

  /** The chunk had that many lines. */
  endChunk(lines: number): void {
    this.#lines += lines
  }

  login(login: Login, at: LinePlace): void {
    this.#logins++
    const lineNumber = this.#lines + at.linesBefore + 1
    this.#gathered.add(this.#json ? this.#jsonLine(login, lineNumber) : this.#line(login, lineNumber))
  }

  rejected(_line: RejectedLine): void {
    this.#rejected++
  }

  #jsonLine(login: Login, lineNumber: number): string {
    const { user, address, service, server, atMs } = login
    const text = PLAIN.test(user) ? `"${user}"` : jsonText(user)
    return `{"time":"${this.#isoTime(atMs)}","user":${text},"ip":"${address}","service":"${service}","server":"${server}",${this.#fileText}${lineNumber}}\n`
  }

  /** Logs hold many lines a minute: only its seconds differ from one time to the next. */
  #isoTime(atMs: number): string {
    const intoMinute = atMs - this.#minuteMs
    if (intoMinute < 0 || intoMinute >= 60_000) {
      this.#minuteMs = Math.floor(atMs / 60_000) * 60_000
      this.#minuteText = new Date(this.#minuteMs).toISOString().slice(0, -7)
      return this.#isoTime(atMs)
    }
    const [seconds, milliseconds] = [Math.floor(intoMinute / 1000), intoMinute % 1000]
    return `${this.#minuteText}${seconds < 10 ? '0' : ''}${seconds}.${milliseconds === 0 ? '000' : String(milliseconds).padStart(3, '0')}Z`
  }

  #line(login: Login, lineNumber: number): string {
    const { user, address, service, server, atMs } = login
    const time = localTime(new Date(atMs).toISOString())
    const place = `${this.#file}:${lineNumber}`
    return `${time}  ${address.padEnd(15)}  ${service.padEnd(4)}  ${server.padEnd(8)}  ${escapeForTerminal(user)}  ${place}\n`
  }

  /** True when what is gathered should be written. */
  get isFull(): boolean {
    return this.#gathered.length >= WRITE_BYTES || (this.#context.stdout.isTTY === true && this.#gathered.length > 0)
  }

  /** Writes what is gathered. */
  async flush(): Promise<void> {
    await print(this.#context, this.#gathered.take())
  }

  /** One line about all that was read. */
  summary(files: number, failed: number): string {
    const logins = counted(this.#logins, 'login')
    const lines = counted(this.#allLines + this.#lines, 'line')
    const unread = failed === 0 ? '' : `, ${counted(failed, 'file')} not read`
    const first = `${logins} in ${lines} of ${counted(files, 'file')}${unread}\n`
    if (this.#rejected === 0) return first
    const what = counted(this.#rejected, 'line looks like a login but is none', 'lines look like logins but are none')
    return `${first}${what}; popauthd explain LINE says why\n`
  }
}

/** Text that grows as bytes: strings put together a million times would keep the garbage collector busy. */
class TextBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(2 * WRITE_BYTES)
  length = 0

  add(text: string): void {
    const most = 3 * text.length
    if (this.length + most > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + most)
      this.#bytes.copy(larger, 0, 0, this.length)
      this.#bytes = larger
    }
    this.length += this.#bytes.write(text, this.length)
  }

  /** All bytes; what is added then goes into a new buffer. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.length)
    if (this.length > 0) this.#bytes = Buffer.allocUnsafeSlow(2 * WRITE_BYTES)
    this.length = 0
    return bytes
  }
}
