/** A line that holds a string of some parser, taken out of its envelope as each parser wants it. */
import { isUtf8 } from 'node:buffer'
import type { LogLine } from '../core/log-line.ts'
import { isPlain, readLine, readPlainLine, type Unreadable } from './envelope.ts'
import { readJournalEntry } from './journal-envelope.ts'
import type { Parser } from './parser.ts'
import type { ScanInfo } from './scan-types.ts'

const NOT_UTF8: Unreadable = { unreadable: 'bytes that are not UTF-8', column: 0 }
/** Columns of a server's own file may be parted by tabs. */
const UNPRINTABLE_BUT_TAB = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

/** A line that holds a string of some parser, opened as each of them wants it. */
export class OpenedLine {
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

/** `plain` tells that the text is known to be printable ASCII. */
function openLine(text: string, format: ScanInfo['format'], plain: boolean): LogLine | Unreadable {
  if (format === 'journal-json' || (format === 'any' && text.startsWith('{'))) return readJournalEntry(text)
  return plain ? readPlainLine(text) : readLine(text)
}
