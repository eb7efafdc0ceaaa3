import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import { type FoundLine, LineSearch, searchArea } from './line-search.ts'
import { HEADER_BYTES, LAYOUT, RECORD_BYTES } from './search-code.ts'

/** Sets of strings for each method of search: one window, two, three, tables. */
const SETS: readonly (readonly string[])[] = [
  ['Login: ', 'Logged in: '],
  ['Login: ', 'aab'],
  ['Login: ', 'aab', 'xyz '],
  [
    'Login: ',
    'Logged in: ',
    'aab',
    'xyz ',
    'LOGIN, user=',
    'POP login by user ',
    ' logged in',
    '[AUTHOK] ',
    'Session from ',
  ],
]
const PIECES = [
  'Login: ',
  'Logged in: ',
  'Login',
  'Lxg',
  'aaaab',
  'aab',
  'xyz ',
  'xy',
  'LOGIN, user=',
  ' logged in',
  '\n',
]
const FILLERS = [' '.repeat(61), 'o'.repeat(17), 'Session from', '\n\n\n', '[AUTHOK]', 'é']

const texts = fc
  .array(fc.constantFrom(...PIECES, ...FILLERS), { minLength: 100, maxLength: 400 })
  .map((parts) => Buffer.from(parts.join('').padEnd(2100, 'o')))

/** The lines with what stands in them, found in the plainest way; each line and string once. */
function expected(strings: readonly string[], bytes: Buffer): FoundLine[] {
  const found: FoundLine[] = []
  let start = 0
  for (let linesBefore = 0; ; linesBefore++) {
    const end = bytes.indexOf(10, start)
    if (end < 0) return found
    const line = bytes.subarray(start, end)
    for (const [string, text] of strings.entries()) {
      if (line.includes(text)) found.push({ start, end, string, linesBefore })
    }
    start = end + 1
  }
}

function each(tell: (found: (start: number, end: number, string: number, linesBefore: number) => void) => number) {
  const all = new Map<string, FoundLine>()
  let last = -1
  const lines = tell((start, end, string, linesBefore) => {
    expect(start).toBeGreaterThanOrEqual(last)
    last = start
    all.set(`${start} ${string}`, { start, end, string, linesBefore })
  })
  return { lines, found: [...all.values()].toSorted((a, b) => a.start - b.start || a.string - b.string) }
}

function lineEnds(bytes: Buffer): number {
  return bytes.filter((byte) => byte === 10).length
}

describe.each(SETS)('LineSearch for %j and more', (...strings) => {
  it('finds the same as a plain search, and counts all lines', () => {
    const search = new LineSearch(strings)
    fc.assert(
      fc.property(texts, fc.nat(2100), (bytes, cut) => {
        for (const chunk of [bytes, bytes.subarray(cut), bytes.subarray(0, cut)]) {
          const { lines, found } = each((on) => search.search(chunk, on))
          expect(found).toEqual(expected(strings, chunk))
          expect(lines).toBe(lineEnds(chunk.subarray(0, chunk.lastIndexOf(10) + 1)))
        }
      }),
      effort(150),
    )
  })

  it('goes on where the table was full', () => {
    const search = new LineSearch(strings)
    const area = search.createArea(16 * 1024)
    if (area === undefined) return expect(WebAssembly.validate(new Uint8Array())).toBe(false)
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 5 }), (bytes, records) => {
        const [table, data] = [LAYOUT.end, LAYOUT.end + 2048]
        area.bytes.set(bytes, data)
        const tableEnd = table + HEADER_BYTES + records * RECORD_BYTES
        const { lines, found } = each((on) => searchArea(area, data, data + bytes.length, table, tableEnd, on))
        const shift = ({ start, end, ...rest }: FoundLine) => ({ start: start - data, end: end - data, ...rest })
        expect(found.map(shift)).toEqual(expected(strings, bytes))
        expect(lines).toBe(lineEnds(bytes))
      }),
      effort(100),
    )
  })
})

describe('LineSearch', () => {
  it('finds a string at the very end of a line, and none that only begins there', () => {
    const search = new LineSearch(['Login: '])
    for (let cut = 0; cut < 7; cut++) {
      const bytes = Buffer.from(`${`${'o'.repeat(3000)}Login: `.slice(0, 3007 - cut)}\n`)
      expect(each((on) => search.search(bytes, on)).found).toHaveLength(cut === 0 ? 1 : 0)
    }
  })

  it('does not look behind the last line end', () => {
    const search = new LineSearch(['Login: '])
    const bytes = Buffer.from(`${'o\n'.repeat(3000)}Login: `)
    expect(each((on) => search.search(bytes, on))).toEqual({ found: [], lines: 3000 })
  })

  it('searches large chunks, and steps over lines that are larger than any log line', () => {
    const search = new LineSearch(['Login: '])
    const long = `${'o'.repeat(1_500_000)}Login: \n`
    const short = `${'o'.repeat(700_000)}Login: \n`
    const bytes = Buffer.from(`${short}${short}${long}${long}${short}`)
    const { lines, found } = each((on) => search.search(bytes, on))
    expect(lines).toBe(5)
    expect(found.map(({ linesBefore }) => linesBefore)).toEqual([0, 1, 4])
    for (const { start, end } of found) expect(bytes.toString('latin1', start, end + 1)).toBe(short)
  })

  it('has room for a thousand strings', () => {
    const strings = Array.from({ length: 1000 }, (_, i) => `${i.toString(36)} logged in from `)
    const bytes = Buffer.from(`${'o\n'.repeat(2000)}aa logged in from \n`)
    expect(each((on) => new LineSearch(strings).search(bytes, on)).found).not.toEqual([])
  })

  it('finds the same where there are more strings than its tables hold, however many stand in one line', () => {
    const strings = ['Login: ', 'xyz ', ...Array.from({ length: 4000 }, (_, i) => `${i.toString(36)} logged in from `)]
    const bytes = Buffer.from(`o\n${'Login: xyz '.repeat(200)}\n${'o\n'.repeat(1000)}xyz \nLogin: `)
    const search = new LineSearch(strings)
    expect(search.createArea(1024)).toBe(undefined)
    const { lines, found } = each((on) => search.search(bytes, on))
    expect(found).toEqual(expected(['Login: ', 'xyz '], bytes))
    expect(lines).toBe(1003)
  })

  it('looks for nothing where there is nothing to look for', () => {
    expect(new LineSearch([]).search(Buffer.from('a\nb\nc'), () => expect.fail())).toBe(2)
  })

  it.each(['ab', 'x'.repeat(65)])('refuses %s', (text) => {
    expect(() => new LineSearch([text])).toThrow(RangeError)
  })
})
