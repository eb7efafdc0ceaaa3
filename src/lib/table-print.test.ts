import { describe, expect, it } from 'vitest'
import { formatPairs, formatTable } from './table-print.ts'
import { colorsFor } from './terminal.ts'

const plain = colorsFor({ isTTY: false }, {})

describe('formatTable', () => {
  it('aligns columns, without borders or trailing blanks', () => {
    const text = formatTable(
      [{ title: 'A' }, { title: 'LEFT', align: 'right' }],
      [
        ['long one', '1'],
        ['b', '22'],
      ],
      plain,
    )
    expect(text).toBe('A         LEFT\nlong one     1\nb           22\n')
  })

  it('lets no control character of a cell through', () => {
    const text = formatTable([{ title: 'A' }, { title: 'B' }], [['\u001b[2Jx\ny', '\u202e']], plain)
    expect(text.split('\n')).toHaveLength(3)
    expect(text).toContain('\\x1b[2Jx\\x0ay')
    expect(text).not.toMatch(/[\u001b\u202e]/)
  })
})

describe('formatPairs', () => {
  it('aligns and escapes', () => {
    expect(
      formatPairs(
        [
          ['a', '1'],
          ['long', '\u0007'],
        ],
        2,
      ),
    ).toBe('  a     1\n  long  \\x07\n')
  })
})
