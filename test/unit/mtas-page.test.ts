/** The tables of docs/mtas.md: in the form in which the end-to-end tests write them, and without rows that no test writes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MTAS_PAGE, nameOf, rowsIn, TABLES, withRows } from '../support/mta-table.ts'

const text = readFileSync(MTAS_PAGE, 'utf8')
const root = join(import.meta.dirname, '../..')
const e2e = join(root, 'test/e2e')
const files = readdirSync(e2e, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
const tests = files.map((path) => readFileSync(join(e2e, path), 'utf8'))

describe.each(['live', 'file'] as const)('the table of %s attachments', (kind) => {
  const rows = rowsIn(text, kind)

  it('is as it is written: one row for each, sorted, a cell in each column', () => {
    expect(rows.length).toBeGreaterThan(0)
    expect(withRows(text, kind, rows)).toBe(text)
    expect(new Set(rows.map(nameOf)).size).toBe(rows.length)
    for (const row of rows) expect(row.filter((cell) => cell !== '')).toHaveLength(Object.keys(TABLES[kind]).length + 2)
  })

  it.each(rows.map((row) => [nameOf(row), row] as const))('%s has a page, and a test', (_, [mta = '', form = '']) => {
    const page = /\((.*)\)$/.exec(mta)?.[1] ?? ''
    expect(existsSync(join(root, 'docs', page))).toBe(true)
    expect(tests.some((test) => test.includes('describeAttachment') && test.includes(`'${form}'`))).toBe(true)
  })
})

it('a row takes its own place in the order, and leaves the other table alone', () => {
  const rows = rowsIn(text, 'live')
  const [first = []] = rows
  const changed = ['[Zmailer](postfix.md)', ...first.slice(1)]
  const written = withRows(text, 'live', [changed, ...rows])
  expect(rowsIn(written, 'live')).toEqual([...rows, changed])
  expect(rowsIn(written, 'file')).toEqual(rowsIn(text, 'file'))
  expect(withRows(written, 'live', rows)).toBe(text)
})
