/** What `scan` prints: one line a login, gathered into large writes, and a summary. */
import type { Login } from '../core/login.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { LinePlace, RejectedLine, ScanHandler } from '../parsers/scanner.ts'
import type { CliContext } from './context.ts'
import { jsonText, localTime, print } from './output.ts'

const LF = 10
/** Characters that are gathered before they are written; on a terminal each chunk's lines are shown at once. */
const WRITE_SIZE = 256 * 1024

/** Takes what a scanner finds and prints it. Knows the number of the line that it is at. */
export class LoginPrinter implements ScanHandler {
  readonly #context: CliContext
  readonly #json: boolean
  #text = ''
  #file = ''
  /** `"file":"...","lineNumber":` of the present file, escaped once. */
  #fileText = ''
  #chunk: Buffer = Buffer.alloc(0)
  /** Lines of this file before `#countedTo` in the chunk. */
  #lines = 0
  #countedTo = 0
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

  /** What follows is in `chunk`; `skippedLines` lines stood before it that nobody looked at. */
  startChunk(chunk: Buffer, skippedLines: number): void {
    this.#lines += skippedLines
    this.#chunk = chunk
    this.#countedTo = 0
  }

  /** Counts the rest of the chunk. */
  endChunk(): void {
    this.#countTo(this.#chunk.length)
  }

  login(login: Login, at: LinePlace): void {
    this.#logins++
    this.#countTo(at.offset)
    const lineNumber = this.#lines + 1
    this.#text += this.#json ? this.#jsonLine(login, lineNumber) : this.#line(login, lineNumber)
  }

  rejected(_line: RejectedLine): void {
    this.#rejected++
  }

  /** Counts the line ends before `offset`. Calls of one chunk come in order. */
  #countTo(offset: number): void {
    const chunk = this.#chunk
    let count = 0
    for (let i = chunk.indexOf(LF, this.#countedTo); i >= 0 && i < offset; i = chunk.indexOf(LF, i + 1)) count++
    this.#lines += count
    this.#countedTo = offset
  }

  #jsonLine(login: Login, lineNumber: number): string {
    const { user, address, service, server, atMs } = login
    return `{"time":"${new Date(atMs).toISOString()}","user":${jsonText(user)},"ip":"${address}","service":"${service}","server":"${server}",${this.#fileText}${lineNumber}}\n`
  }

  #line(login: Login, lineNumber: number): string {
    const { user, address, service, server, atMs } = login
    const time = localTime(new Date(atMs).toISOString())
    const place = `${this.#file}:${lineNumber}`
    return `${time}  ${address.padEnd(15)}  ${service.padEnd(4)}  ${server.padEnd(8)}  ${escapeForTerminal(user)}  ${place}\n`
  }

  /** True when what is gathered should be written. */
  get isFull(): boolean {
    return this.#text.length >= WRITE_SIZE || (this.#context.stdout.isTTY === true && this.#text !== '')
  }

  /** Writes what is gathered. */
  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    await print(this.#context, text)
  }

  /** One line about all that was read. */
  summary(files: number, failed: number): string {
    const count = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`
    const logins = count(this.#logins, 'login', 'logins')
    const lines = count(this.#allLines + this.#lines, 'line', 'lines')
    const unread = failed === 0 ? '' : `, ${count(failed, 'file', 'files')} not read`
    const first = `${logins} in ${lines} of ${count(files, 'file', 'files')}${unread}\n`
    if (this.#rejected === 0) return first
    const what = count(this.#rejected, 'line looks like a login but is none', 'lines look like logins but are none')
    return `${first}${what}; popauthd explain LINE says why\n`
  }
}
