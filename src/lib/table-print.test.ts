import { describe, expect, it } from 'vitest'
import { formatPairs, formatTable } from './table-print.ts'
import { colorsFor } from './terminal.ts'

const table = (...args: Parameters<typeof formatTable>) => [...formatTable(...args)].join('')

const plain = colorsFor({ isTTY: false }, {})

describe('formatTable', () => {
  it('aligns columns, without borders or trailing blanks', () => {
    const text = table(
      [{ title: 'A' }, { title: 'LEFT', align: 'right' }],
      [
        ['long one', '1'],
        ['b', '22'],
      ],
      plain,
    )
    expect(text).toBe('A         LEFT\nlong one     1\nb           22\n')
  })

  it('keeps the columns of a long list in line over its pieces, whatever one long cell wants', () => {
    const rows = Array.from({ length: 5 }, (_, i) => [i === 4 ? 'x'.repeat(200) : `\u{1f4ec}${i}`, 'end'])
    const columns = [{ title: 'A' }, { title: 'B' }]
    const pieces = [...formatTable(columns, rows, plain, 2)]
    expect(pieces).toHaveLength(4)
    const lines = pieces.join('').split('\n')
    expect(lines).toHaveLength(7)
    expect(lines.slice(1, 5).map((line) => [...line].indexOf('e'))).toEqual([62, 62, 62, 62])
    expect(lines[5]).toBe(`${'x'.repeat(200)}  end`)
  })

  it('lets no control character of a cell through', () => {
    const text = table([{ title: 'A' }, { title: 'B' }], [['\u001b[2Jx\ny', '\u202e']], plain)
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
