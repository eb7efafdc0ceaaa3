// The tables of docs/mtas.md: a row for each attachment, written from what its scenes saw.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { tryLock } from 'fs-native-extensions'
import { type Attachment, type Columns, FILE_COLUMNS, LIVE_COLUMNS } from './mta-attachment.ts'
import { waitFor } from './wait-for.ts'

/** The page. */
export const MTAS_PAGE = fileURLToPath(new URL('../../docs/mtas.md', import.meta.url))

/** The columns of each table. */
export const TABLES: Readonly<Record<Attachment['kind'], Columns>> = { live: LIVE_COLUMNS, file: FILE_COLUMNS }

/** One line of a table: the MTA with its link, the form, then a cell for each column. */
export type Row = readonly string[]

/** The row of an attachment. `seen` holds a cell for each column. @throws {Error} where one is missing: a scene did not run or failed */
export function rowOf(attachment: Attachment, seen: ReadonlyMap<string, string>): Row {
  const { mta, form, page, kind } = attachment
  const cells = Object.keys(TABLES[kind]).map((column) => {
    const cell = seen.get(column)
    if (cell === undefined) throw new Error(`${mta}, ${form}: "${column}" was not seen, or not as expected`)
    return cell
  })
  return [`[${mta}](${page})`, form, ...cells]
}

/** The rows of a table as they stand in the text of the page, without head. @throws {Error} where there is no such table */
export function rowsIn(text: string, kind: Attachment['kind']): Row[] {
  const [, table] = parts(text, kind)
  const lines = table.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** The text of the page with these rows in the table, in the order of MTA and form. */
export function withRows(text: string, kind: Attachment['kind'], rows: readonly Row[]): string {
  const [before, , after] = parts(text, kind)
  const sorted = [...rows].sort((a, b) => (nameOf(a).toLowerCase() < nameOf(b).toLowerCase() ? -1 : 1))
  return `${before}\n\n${tableText(TABLES[kind], sorted)}\n${after}`
}

/** Puts the row onto the page, in place of one of the same attachment. Several processes may do so at once. */
export async function writeRow(kind: Attachment['kind'], row: Row): Promise<void> {
  const file = openSync(MTAS_PAGE, 'r+')
  try {
    await waitFor(`a lock of ${MTAS_PAGE}`, () => tryLock(file) || undefined)
    const text = readFileSync(MTAS_PAGE, 'utf8')
    const others = rowsIn(text, kind).filter((other) => nameOf(other) !== nameOf(row))
    const bytes = Buffer.from(withRows(text, kind, [...others, row]))
    writeSync(file, bytes, 0, bytes.length, 0)
    ftruncateSync(file, bytes.length)
  } finally {
    closeSync(file)
  }
}

/** MTA and form, which no two rows share. */
export function nameOf([mta = '', form = '']: Row): string {
  return `${mta.replace(/^\[|\].*$/g, '')}, ${form}`
}

function parts(text: string, kind: Attachment['kind']): [before: string, table: string, after: string] {
  const [begin, end] = [`<!-- ${kind}: written by the end-to-end tests -->`, `<!-- end of ${kind} -->`]
  const [start, stop] = [text.indexOf(begin), text.indexOf(end)]
  if (start < 0 || stop < start) throw new Error(`docs/mtas.md has no "${begin}" ... "${end}"`)
  return [text.slice(0, start + begin.length), text.slice(start + begin.length, stop), text.slice(stop)]
}

function tableText(columns: Columns, rows: readonly Row[]): string {
  const lines = [['MTA', 'attached by', ...Object.values(columns).map(([head]) => head)], ...rows]
  const widths = lines[0]?.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0))) ?? []
  const text = (cells: Row) => `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = lines
  const ruler = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  const meanings = Object.values(columns).map(([name, meaning]) => `- **${name}**: ${meaning}`)
  return `${[text(head), ruler, ...body.map(text)].join('\n')}\n\n${meanings.join('\n')}\n`
}
