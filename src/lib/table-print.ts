/** Plain tables for the command line: aligned columns without borders, with escaped cells. */
import Table from 'cli-table3'
import { escapeForTerminal } from './escape.ts'
import type { Colors } from './terminal.ts'

const NO_BORDERS = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((name) => [name, '']),
)

/** One column: its heading, and how it is aligned. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Rows under headings, one line each, ended by a line feed. Cells are untrusted: they are escaped here. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], colors: Colors): string {
  const table = new Table({
    chars: { ...NO_BORDERS, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    head: columns.map((column) => colors.bold(column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
  })
  for (const row of rows) table.push(row.map(escapeForTerminal))
  const text = table.toString()
  return `${text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
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
