import { describe, expect, it } from 'vitest'
import { colorsFor, wantsColor, widthOf } from './terminal.ts'

describe('colors', () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{ isTTY: false }, { FORCE_COLOR: '1' }, false],
    [{}, {}, false],
  ])('%j with %j: %j', (stream, env, wanted) => {
    expect(wantsColor(stream, env)).toBe(wanted)
    expect(colorsFor(stream, env).red('x')).toBe(wanted ? '\u001b[31mx\u001b[39m' : 'x')
  })
})

describe('widthOf', () => {
  it('falls back to 80', () => {
    expect([widthOf({}), widthOf({ columns: 0 }), widthOf({ columns: 132 })]).toEqual([80, 80, 132])
  })
})
