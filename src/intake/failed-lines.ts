/** The last few lines of a server that look like logins and are none, for people: escaped, cut, few, whatever comes. */
import { escapeForTerminal } from '../lib/escape.ts'
import type { RejectedLine } from '../parsers/scanner.ts'

/** So many lines are kept of each server. */
export const MOST_KEPT = 5
/** Characters of a line that are kept, around the place where it failed. */
const LONGEST_LINE = 300
const LONGEST_REASON = 200
/** An escaped character is longer than it was. */
const LONGEST_ESCAPED = 2 * LONGEST_LINE
const CUT = '...'

/** One such line. Its texts are escaped for a terminal, and cut. */
export interface FailedLine {
  /** When it was read, Unix milliseconds. */
  readonly atMs: number
  readonly reason: string
  /** Where the grammar failed, 0-based in the whole line. */
  readonly column: number
  readonly line: string
  /** True where another program wrote it. */
  readonly isForeign: boolean
}

/** Keeps the last {@link MOST_KEPT}. Lines of one kind never push out the last of another while it has more than one place. */
export class FailedLines {
  #kept: FailedLine[] = []

  /** Newest first. */
  get newestFirst(): readonly FailedLine[] {
    return this.#kept.toReversed()
  }

  add({ line, reason, column, isForeign }: RejectedLine, atMs: number): void {
    const text = flat(excerpt(line, column))
    this.#kept.push({
      atMs,
      reason: cut(escapeForTerminal(reason), LONGEST_REASON),
      column,
      line: text,
      isForeign: isForeign === true,
    })
    if (this.#kept.length > MOST_KEPT) this.#dropOne()
  }

  /** The oldest of the kind that has the most places: a flood of one kind pushes out its own. */
  #dropOne(): void {
    const counts = new Map<string, number>()
    for (const one of this.#kept) counts.set(kindOf(one), (counts.get(kindOf(one)) ?? 0) + 1)
    const most = Math.max(...counts.values())
    const dropped = this.#kept.findIndex((one) => counts.get(kindOf(one)) === most)
    this.#kept = this.#kept.toSpliced(dropped, 1)
  }
}

/** Reasons of lines of other programs hold a name that their writer chose. */
function kindOf({ isForeign, reason }: FailedLine): string {
  return isForeign ? 'foreign' : reason
}

/** The part of `line` around `column`, escaped. */
function excerpt(line: string, column: number): string {
  if (line.length <= LONGEST_LINE) return cut(escapeForTerminal(line), LONGEST_ESCAPED)
  const start = Math.max(0, Math.min(column - LONGEST_LINE / 2, line.length - LONGEST_LINE))
  const end = start + LONGEST_LINE
  const text = cut(escapeForTerminal(line.slice(start, end)), LONGEST_ESCAPED)
  return `${start > 0 ? CUT : ''}${text}${end < line.length && !text.endsWith(CUT) ? CUT : ''}`
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}${CUT}` : text
}

/** A part of a string holds on to the whole one; this one does not. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}
