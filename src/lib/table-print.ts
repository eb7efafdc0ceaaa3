/** Plain tables for the command line: aligned columns without borders, with escaped cells. */
import { escapeForTerminal } from './escape.ts'
import type { Colors } from './terminal.ts'

/** One column: its heading, and how it is aligned. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const GAP = '  '
/** A cell longer than this does not widen its column for all the others. */
const WIDEST = 60

/**
 * Rows under headings, one line each, ended by a line feed; yields pieces of at most `pieceRows` lines, so that a long list is never one
 * string. Cells are untrusted: they are escaped here. Linear in the number of rows.
 */
export function* formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  colors: Colors,
  pieceRows = 1000,
): Generator<string> {
  const escaped = rows.map((row) => row.map(escapeForTerminal))
  const widths = columns.map(({ title }, i) =>
    escaped.reduce((widest, row) => Math.max(widest, Math.min(WIDEST, lengthOf(row[i]))), title.length),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => pad(cell, widths[i], columns[i]))
      .join(GAP)
      .trimEnd()
  yield `${colors.bold(line(columns.map(({ title }) => title)))}\n`
  for (let at = 0; at < escaped.length; at += pieceRows)
    yield escaped
      .slice(at, at + pieceRows)
      .map((row) => `${line(row)}\n`)
      .join('')
}

/** Characters, not UTF-16 units. */
function lengthOf(text = ''): number {
  let length = 0
  for (const _ of text) length++
  return length
}

function pad(cell: string, width = 0, column?: Column): string {
  const blanks = ' '.repeat(Math.max(0, width - lengthOf(cell)))
  return column?.align === 'right' ? blanks + cell : cell + blanks
}

/** `name   value` lines with the values aligned, each after `indent` blanks. Both are untrusted: they are escaped here. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[], indent = 0): string {
  const widest = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs
    .map(
      ([name, value]) =>
        `${' '.repeat(indent)}${escapeForTerminal(name).padEnd(widest)}  ${escapeForTerminal(value)}\n`,
    )
    .join('')
}
