/** Lines cut from pieces of any size. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LineBuffer } from './line-buffer.ts'

function cut(text: string, pieceBytes: number, options: { chunkBytes: number; maxLineBytes: number }) {
  const buffer = new LineBuffer(0, options)
  const bytes = Buffer.from(text, 'latin1')
  const runs: string[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes)
    for (const run of buffer.push(bytes.subarray(at, at + pieceBytes))) runs.push(run.toString('latin1'))
  return { buffer, runs, skipped: buffer.takeSkippedLines() }
}

describe('LineBuffer', () => {
  it('gives every line that is short enough once and in order, in whole lines, and counts the others', () => {
    const line = fc.string({ unit: fc.constantFrom('a', '\0', '\xff'), maxLength: 14 })
    const sizes = fc.record({ piece: fc.integer({ min: 1, max: 40 }), chunkBytes: fc.integer({ min: 1, max: 30 }) })
    fc.assert(
      fc.property(fc.array(line), line, sizes, (lines, unfinished, { piece, chunkBytes }) => {
        const text = lines.map((one) => `${one}\n`).join('')
        const { buffer, runs, skipped } = cut(text + unfinished, piece, { chunkBytes, maxLineBytes: 10 })
        const wanted = lines.filter((one) => one.length <= 10)
        expect(runs.join('')).toBe(wanted.map((one) => `${one}\n`).join(''))
        expect(runs.every((run) => run.endsWith('\n'))).toBe(true)
        expect(skipped).toBe(lines.length - wanted.length)
        expect(buffer.lineOffset).toBe(text.length)
        expect(buffer.nextOffset).toBe(text.length + unfinished.length)
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  it('counts offsets from where the stream began', () => {
    const buffer = new LineBuffer(100, { chunkBytes: 8, maxLineBytes: 5 })
    let text = ''
    for (const run of buffer.push(Buffer.from('one\ntwo\nthr'))) text += run
    expect(text).toBe('one\ntwo\n')
    expect(buffer.lineOffset).toBe(108)
    expect(buffer.nextOffset).toBe(111)
  })

  it('ends the last line where the stream had no LF', () => {
    const { buffer } = cut('one\ntwo', 3, { chunkBytes: 4, maxLineBytes: 3 })
    expect(buffer.takeUnfinished()?.toString()).toBe('two\n')
    expect(buffer.takeUnfinished()).toBeUndefined()
  })

  it('counts a last line that is too long and gives nothing of it', () => {
    const { buffer } = cut('one\ntoo long', 3, { chunkBytes: 4, maxLineBytes: 3 })
    expect(buffer.takeUnfinished()).toBeUndefined()
    expect(buffer.takeSkippedLines()).toBe(1)
  })
})
