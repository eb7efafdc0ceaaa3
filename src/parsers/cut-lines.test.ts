import { describe, expect, it } from 'vitest'
import { CutLines, writerKey } from './cut-lines.ts'

describe('CutLines', () => {
  it('doubts what the same process writes for five seconds', () => {
    const cuts = new CutLines()
    expect(cuts.isEmpty).toBe(true)
    cuts.add('a', 10_000)
    expect(cuts.mayContinue('a', 10_000)).toBe(true)
    expect(cuts.mayContinue('a', 15_000)).toBe(true)
    expect(cuts.mayContinue('a', 15_001)).toBe(false)
    expect(cuts.mayContinue('b', 10_000)).toBe(false)
  })

  it('keeps at most 1,000, the newest', () => {
    const cuts = new CutLines()
    for (let i = 0; i < 1_100; i++) cuts.add(`k${i}`, 1000)
    expect(cuts.mayContinue('k99', 1000)).toBe(false)
    expect(cuts.mayContinue('k100', 1000)).toBe(true)
  })

  it('survives as plain JSON, without what is over', () => {
    const cuts = new CutLines()
    cuts.add('old', 0)
    cuts.add('new', 20_000)
    const restored = new CutLines()
    restored.restore(JSON.parse(JSON.stringify(cuts.snapshot(20_001))))
    expect(restored.mayContinue('new', 20_001)).toBe(true)
    expect(restored.mayContinue('old', 0)).toBe(false)
  })

  it.each([[undefined], ['text'], [[['key', 'late']]], [[3, null, {}]]])(
    'leaves out what is no snapshot: %j',
    (stored) => {
      const cuts = new CutLines()
      cuts.restore(stored)
      expect(cuts.isEmpty).toBe(true)
    },
  )

  it('tells processes apart', () => {
    const line = { host: 'mx1', program: 'imapd' }
    expect(writerKey('courier', line)).not.toBe(writerKey('courier', { ...line, pid: 1 }))
  })
})
