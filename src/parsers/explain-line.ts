/** What each parser makes of one line, for people. */
import type { LogLine } from '../core/log-line.ts'
import type { Unreadable } from './envelope.ts'
import type { LineClock } from './line-time.ts'
import { OpenedLine } from './opened-line.ts'
import type { ParsedField, Parser } from './parser.ts'
import type { Explanation, ScanInfo } from './scan-types.ts'
import { toLogin } from './to-login.ts'

/** What it takes to explain a line. */
interface ExplainParts {
  readonly parsers: readonly Parser[]
  readonly clock: LineClock
  readonly maxLineBytes: number
}

/**
 * What each parser makes of one line (without its line end), the closest first: who took it, then by the column where the grammar failed.
 * Changes no state: a two-line login is not joined. Undefined parts of the time are settled as in a scan.
 */
export function explainLine(parts: ExplainParts, line: string, info: ScanInfo): readonly Explanation[] {
  const { parsers, clock, maxLineBytes } = parts
  const bytes = Buffer.from(`${line}\n`)
  const opened = new OpenedLine(bytes, bytes.toString('latin1', 0, bytes.length - 1), 0, 0, info.format)
  const tooLong = { unreadable: `longer than ${maxLineBytes} bytes`, column: 0 }
  const isTooLong = bytes.length > maxLineBytes + 1
  return parsers
    .map((parser) => explainOne(parser, isTooLong ? tooLong : opened.lineFor(parser), clock, info))
    .sort((a, b) => rank(b) - rank(a))
}

function explainOne(parser: Parser, line: LogLine | Unreadable, clock: LineClock, info: ScanInfo): Explanation {
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
  const lastMs = clock.lastMs
  const atMs = clock.toMs(line.time, info.newestMs)
  clock.lastMs = lastMs
  if (atMs === undefined) {
    return { ...base, outcome: 'none', fields, reason: 'no year makes the time of the line possible', column: 0 }
  }
  return { ...base, outcome: 'login', fields, login: toLogin(parser, result.login, atMs), column }
}

function rank(explanation: Explanation): number {
  return explanation.outcome === 'none' ? explanation.column : Number.MAX_SAFE_INTEGER
}
