import { describe, expect, it } from 'vitest'
import { LineEnds } from './line-ends.ts'

/** Whether each line of each chunk counts, as one string of `+` and `-` a chunk. */
function judge(chunks: readonly string[], ends = new LineEnds()): string[] {
  return chunks.map((text) => {
    const chunk = Buffer.from(text)
    ends.enter(chunk)
    const starts = [...text.matchAll(/[^\n]*\n/g)].map(({ index }) => index)
    const verdicts = starts.map((start) => (ends.isWhole(start) ? '+' : '-')).join('')
    ends.leave()
    return verdicts
  })
}

describe('lines behind a bare LF', () => {
  it.each([
    ['all end with CR LF', ['a\r\nb\r\n', 'c\r\n'], ['++', '+']],
    ['none has a CR: a copy whose line ends were changed', ['a\nb\n', 'c\n'], ['++', '+']],
    ['one bare LF takes the line that it ends and the one behind it', ['a\r\nb\nc\r\nd\r\n'], ['+--+']],
    ['in a line of several', ['a\r\nb\nc\nd\r\ne\r\n'], ['+---+']],
    ['at the end of a chunk', ['a\r\nb\n', 'c\r\nd\r\n'], ['+-', '-+']],
    ['in a chunk of their own', ['a\r\n', 'b\n', 'c\n', 'd\r\n', 'e\r\n'], ['+', '-', '-', '-', '+']],
    ['the first CR LF after bare LFs', ['a\nb\r\nc\r\n'], ['--+']],
    ['the first CR LF in a later chunk', ['a\n', 'b\r\nc\r\n'], ['+', '-+']],
    ['empty lines', ['a\r\n\n\r\nb\r\n'], ['+--+']],
    ['an empty first line', ['\nb\r\nc\r\n'], ['--+']],
  ])('%s', (_name, chunks, verdicts) => {
    expect(judge(chunks)).toEqual(verdicts)
  })

  it('are known over a restart', () => {
    const before = new LineEnds()
    expect(judge(['a\r\nb\n'], before)).toEqual(['+-'])
    const stored: unknown = JSON.parse(JSON.stringify(before.snapshot()))
    const after = new LineEnds()
    after.restore(stored)
    expect(judge(['c\r\nd\r\n', 'e\n'], after)).toEqual(['-+', '-'])
  })

  it('are remembered also where nobody asked', () => {
    const silent = new LineEnds()
    silent.enter(Buffer.from('a\nb\r\nc\n'))
    expect(judge(['d\n'], silent)).toEqual(['-'])
  })

  it('are told as far as they are known', () => {
    const ends = new LineEnds()
    ends.enter(Buffer.from('a\nb\n'))
    ends.leave()
    expect(ends.snapshot()).toBe('lf')
    ends.enter(Buffer.from('c\r\n'))
    ends.leave()
    expect(ends.snapshot()).toBe('crlf')
    ends.restore(undefined)
    expect(ends.snapshot()).toBeUndefined()
    ends.restore('lf')
    expect(judge(['c\r\n'], ends)).toEqual(['-'])
    ends.restore(undefined)
    ends.enter(Buffer.alloc(0))
    ends.leave()
    expect(judge(['a\n'], ends)).toEqual(['+'])
  })
})
