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

  it('doubts for longer what is to be doubted for longer, also behind a shorter one', () => {
    const cuts = new CutLines()
    cuts.add('m\tp\t1', 10_000, 60_000)
    cuts.add('m\tp\t1', 20_000)
    expect(cuts.mayContinue('m\tp\t1', 5_000)).toBe(true)
    expect(cuts.mayContinue('m\tp\t1', 70_000)).toBe(true)
    expect(cuts.mayContinue('m\tp\t1', 70_001)).toBe(false)
    expect(cuts.mayContinue('m\tp\t2', 20_000)).toBe(false)
  })

  it('keeps at most 1,000, the newest; of a program with more, it doubts all', () => {
    const cuts = new CutLines()
    for (let i = 0; i < 1_000; i++) cuts.add(`m\tp\t${i}`, 1000, 60_000)
    expect(cuts.mayContinue('m\tp\t5000', 1000)).toBe(false)
    cuts.add('m\tq\t1', 1000)
    expect(cuts.mayContinue('m\tp\t5000', 61_000)).toBe(true)
    expect(cuts.mayContinue('m\tp\t5000', 61_001)).toBe(false)
    expect(cuts.mayContinue('m\tq\t2', 1000)).toBe(false)
    expect(cuts.mayContinue('other\tp\t0', 1000)).toBe(false)
  })

  it('does not doubt a program for what is over', () => {
    const cuts = new CutLines()
    for (let i = 0; i < 1_100; i++) cuts.add(`m\tp\t${i}`, i * 10_000)
    expect(cuts.mayContinue('m\tp\t5000', 1_100 * 10_000)).toBe(false)
  })

  it('survives as plain JSON, without what is over', () => {
    const cuts = new CutLines()
    cuts.add('old', 0)
    cuts.add('new', 20_000)
    cuts.add('long', 0, 60_000)
    for (let i = 0; i < 998; i++) cuts.add(`m\tp\t${i}`, 20_000)
    const restored = new CutLines()
    restored.restore(JSON.parse(JSON.stringify(cuts.snapshot(20_001))))
    expect(restored.mayContinue('new', 20_001)).toBe(true)
    expect(restored.mayContinue('old', 0)).toBe(false)
    expect(restored.mayContinue('long', 60_000)).toBe(true)
  })

  it.each([[undefined], ['text'], [[['key', 'late']]], [[['key', 1, 'long']]], [[3, null, {}]]])(
    'leaves out what is no snapshot: %j',
    (stored) => {
      const cuts = new CutLines()
      cuts.restore(stored)
      expect(cuts.isEmpty).toBe(true)
    },
  )

  it('tells processes apart', () => {
    const line = { host: 'mx1', program: 'imapd' }
    expect(writerKey(line)).not.toBe(writerKey({ ...line, pid: 1 }))
  })
})
