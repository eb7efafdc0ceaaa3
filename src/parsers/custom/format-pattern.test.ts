import { describe, expect, it } from 'vitest'
import { FormatPattern } from './format-pattern.ts'
import { PatternError, readPattern } from './pattern-text.ts'

const GROUPS = '(?<user>a) (?<ip>b)'

function errorOf(pattern: string): PatternError {
  try {
    new FormatPattern(pattern)
  } catch (error) {
    expect(error).toBeInstanceOf(PatternError)
    return error as PatternError
  }
  throw new Error(`${pattern} was accepted`)
}

describe('a pattern', () => {
  it.each([
    ['x(?=y)', 1, /^\(\?= is look-ahead: .*has none$/],
    ['x(?!y)', 1, /negative look-ahead/],
    ['é(?<=y)', 1, /look-behind/],
    ['xx(?<!y)', 2, /negative look-behind/],
    ['(?<user>a)\\1', 10, /^\\1 is a backreference/],
    ['(?<user>a)\\k<user>', 10, /^\\k is a backreference/],
    ['(?P<user>a)(?P=user)', 11, /backreference/],
    ['(?>a)', 0, /atomic group/],
    ['a(?i)b', 1, /flags/],
    ['a(?i:b)', 1, /flags/],
    ['a\\Qb.c\\E', 1, /put a \\ before each/],
    ['(?#x)', 0, /comment/],
    ['a[b', 1, /never closed by \]/],
    ['a[]b', 1, /never closed by \]/],
    ['ab(c', 2, /never closed by \)/],
    ['(a)b)', 4, /closes no group/],
    ['abc\\', 3, /ends with a single/],
    ['ab**', 2, /invalid nested repetition/],
    ['a\\y', 1, /invalid escape/],
    ['[z-a]', 1, /invalid character class range/],
    ['a{2,1}', 1, /invalid repeat/],
    ['(?<us er>a)', 0, /without a sound name/],
    ['(?<user>a)(?<user>b)', 10, /second group is called user/],
    ['(?<usr>a)(?<ip>b)', 0, /no group is called usr/],
    ['(?<user>a)', undefined, /has no group \(\?<ip>/],
    ['(?<ip>a)', undefined, /has no group \(\?<user>/],
    [`${GROUPS}(?:(?:a{100}){10}){2}`, 37, /invalid repeat/],
    [`${GROUPS}(?:abcdefghij){1,200}`, undefined, /is too large \(\d+ instructions of at most 1500\)/],
    [`${GROUPS}${'a'.repeat(2000)}`, undefined, /longer than 2000/],
    ['(?<user>a) from (?<ip>b) (?<server_ip>c)', 25, /must differ/],
    ['(?<user>a) from (?<ip>b) x from (?<server_ip>c)', 32, /must differ/],
    ['(?<user>a) from (?<ip>b)(?: at )?(?<server_ip>c)', 33, /must differ/],
  ])('%s is refused, with the place', (pattern, column, message) => {
    const error = errorOf(pattern)
    expect(error.message).toMatch(message)
    expect(error.column).toBe(column)
  })

  it('is matched against the whole message, and tells where its groups stand', () => {
    const pattern = new FormatPattern('user (?P<user>[^ ]+) from (?<ip>[^ ]+)( tls)?')
    expect(Object.fromEntries(pattern.match('user al from 192.0.2.1 tls') ?? [])).toEqual({
      user: { start: 5, end: 7 },
      ip: { start: 13, end: 22 },
    })
    for (const message of ['xuser al from 192.0.2.1', 'user al from 192.0.2.1 ', ''])
      expect(pattern.match(message), message).toBeUndefined()
  })

  it('anchors each of several alternatives', () => {
    const pattern = new FormatPattern('a (?<user>x) b|c (?<ip>y) d')
    expect(pattern.match('c y d')?.get('ip')).toEqual({ start: 2, end: 3 })
    expect(pattern.match('a x b d')).toBeUndefined()
    expect(pattern.match('a x bc y d')).toBeUndefined()
  })

  it('tells how far a message fits', () => {
    const pattern = new FormatPattern('user (?<user>\\w+) from (?<ip>[0-9.]+)')
    expect(pattern.reach('user al from 192.0.2.1')).toBe(22)
    expect(pattern.reach('user al at 192.0.2.1')).toBe(8)
    expect(pattern.reach('user al from host')).toBe(13)
    expect(pattern.reach('usual')).toBe(2)
    expect(new FormatPattern('(?<user>a)|(?<ip>b)').reach('ab')).toBe(0)
    expect(new FormatPattern('😀+ (?<user>a) (?<ip>b)').reach('😀😀 x')).toBe(5)
  })

  it('knows the fixed text before each group', () => {
    const textsBefore = (text: string) => readPattern(text).groups.map((group) => group.before)
    expect(textsBefore('\\[(?<a>x)\\] to (?<b>y)')).toEqual(['[', '] to '])
    expect(textsBefore('x*(?<a>y)')).toEqual([''])
    expect(textsBefore('to ?(?<a>y)')).toEqual([''])
    expect(textsBefore('(?:to )?(?<a>y)')).toEqual([''])
    expect(textsBefore('[ ](?<a>y)(?:at (?<b>y))')).toEqual(['', 'at '])
    expect(textsBefore('[^]x](?<a>y)[[:alpha:]] (?<b>y)\\d\\p{L}\\x41-(?<c>z)')).toEqual(['', ' ', '-'])
  })
})

describe('hostile messages', () => {
  const evil = [
    ['(?<user>(a+)+)(?<ip>b)', 'a'],
    ['(?<user>(a|aa)+)(?<ip>b)', 'a'],
    ['(?<user>(.*)*)x(.*)*(?<ip>b)', 'x'],
    ['(?<user>\\S+)\\s*\\S+\\s*\\S+\\s*(?<ip>[0-9.]+)', 'a '],
    ['(?<user>([^ ]+ ?)+) from (?<ip>([0-9]+.?)+)', 'a from 1'],
  ] as const

  it.each(evil)('%s takes a time that grows with their length only', (text, piece) => {
    const pattern = new FormatPattern(text)
    const cost = (length: number) => {
      const message = `${piece.repeat(length / piece.length)}!`
      const started = process.hrtime.bigint()
      pattern.match(message)
      pattern.reach(message)
      return Number(process.hrtime.bigint() - started) / length
    }
    const best = (length: number) => Math.min(cost(length), cost(length))
    // From 32 KB on the engine goes one way only; before, it may take a shorter one.
    expect(best(128_000) / best(32_000)).toBeLessThan(3)
  })
})
