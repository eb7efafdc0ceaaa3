import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSearchable, ByteSearch, countLineEnds } from './byte-search.ts'

const NEEDLES = ['Login: ', 'Logged in: ', 'x', 'aab'].map((text) => Buffer.from(text))
const SIZE = 10_000

function plainCount(bytes: Buffer, start: number, end: number): number {
  return bytes.subarray(start, end).filter((byte) => byte === 10).length
}

/** Bytes in which the needles and halves of them are frequent. */
const texts = fc
  .array(
    fc.constantFrom('Login: ', 'Logged in: ', 'Login', 'L:', 'aaaab', 'aab', 'x', '\n', ' '.repeat(61), 'o'.repeat(17)),
    {
      minLength: 100,
      maxLength: 400,
    },
  )
  .map((parts) => Buffer.from(parts.join('').padEnd(2100, 'o')))

describe.each(['in place', 'copied'])('ByteSearch in a buffer searched %s', (kind) => {
  const place = (bytes: Buffer, shift: number) => {
    if (kind === 'copied') return bytes
    const buffer = allocateSearchable(bytes.length + shift)
    bytes.copy(buffer, shift)
    return buffer.subarray(shift)
  }

  it('finds what Buffer.indexOf finds', () => {
    const search = new ByteSearch(NEEDLES)
    fc.assert(
      fc.property(texts, fc.nat(70), fc.nat(2000), (bytes, shift, from) => {
        const chunk = place(bytes, shift)
        search.enter(chunk)
        NEEDLES.forEach((needle, i) => {
          expect(search.find(i, from)).toBe(bytes.indexOf(needle, from))
        })
      }),
      { numRuns: 300 },
    )
  })

  it('counts the line ends between two places', () => {
    fc.assert(
      fc.property(texts, fc.nat(70), fc.nat(2100), fc.nat(2100), (bytes, shift, a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)]
        expect(countLineEnds(place(bytes, shift), start, end)).toBe(plainCount(bytes, start, end))
      }),
      { numRuns: 300 },
    )
  })

  it('finds a string at the very end, and none that only begins there', () => {
    const search = new ByteSearch(NEEDLES)
    for (let cut = 0; cut < 7; cut++) {
      const bytes = Buffer.from(`${'o'.repeat(3000)}Login: `.slice(0, 3007 - cut))
      search.enter(place(bytes, 3))
      expect(search.find(0, 0)).toBe(cut === 0 ? 3000 : -1)
    }
  })
})

describe('ByteSearch', () => {
  it('does not look behind the chunk', () => {
    const buffer = allocateSearchable(SIZE)
    buffer.fill('o').write('Login: ', 5000)
    const search = new ByteSearch(NEEDLES)
    search.enter(buffer.subarray(0, 5006))
    expect(search.find(0, 0)).toBe(-1)
    search.enter(buffer.subarray(0, 5007))
    expect(search.find(0, 0)).toBe(5000)
    expect(search.find(0, 5001)).toBe(-1)
  })

  it('does not mix up two sets of strings in one buffer', () => {
    const buffer = allocateSearchable(SIZE)
    buffer.fill('o').write('Login: ', 100)
    buffer.write('POP login', 200)
    const [one, two] = [new ByteSearch([Buffer.from('Login: ')]), new ByteSearch([Buffer.from('POP login')])]
    one.enter(buffer)
    two.enter(buffer)
    expect(two.find(0, 0)).toBe(200)
    one.enter(buffer)
    expect(one.find(0, 0)).toBe(100)
  })

  it('searches small and very large chunks, too', () => {
    const search = new ByteSearch(NEEDLES)
    for (const size of [0, 7, 100, 9 * 1024 * 1024]) {
      const bytes = Buffer.alloc(size, 'o')
      if (size > 0) bytes.write('Login: ', size - 7)
      search.enter(bytes)
      expect(search.find(0, 0)).toBe(size === 0 ? -1 : size - 7)
    }
  })

  it('refuses more strings than there is room for', () => {
    expect(() => new ByteSearch([Buffer.alloc(5000)])).toThrow(RangeError)
  })
})
