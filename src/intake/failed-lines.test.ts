import { expect, it } from 'vitest'
import { FailedLines, MOST_KEPT } from './failed-lines.ts'

function linesAfter(...lines: readonly { line?: string; reason?: string; column?: number; isForeign?: true }[]) {
  const kept = new FailedLines()
  for (const [atMs, one] of lines.entries())
    kept.add({ server: 'dovecot', line: 'a line', reason: 'why', column: 0, offset: 0, linesBefore: 0, ...one }, atMs)
  return kept.newestFirst
}

it('keeps the last few, newest first', () => {
  const kept = linesAfter(...Array.from({ length: 20 }, (_, i) => ({ line: `line ${i}` })))
  expect(kept.map(({ line }) => line)).toEqual(['line 19', 'line 18', 'line 17', 'line 16', 'line 15'])
  expect(kept[0]).toEqual({ atMs: 19, reason: 'why', column: 0, line: 'line 19', isForeign: false })
})

it('lets no flood of one kind push out all of another', () => {
  const flood = Array.from({ length: 1000 }, (_, i) => ({ reason: `not of ${i}`, isForeign: true as const }))
  const kept = linesAfter(...Array.from({ length: 5 }, () => ({ reason: 'true' })), ...flood)
  expect(kept).toHaveLength(MOST_KEPT)
  expect(kept.filter(({ reason }) => reason === 'true').length).toBeGreaterThanOrEqual(2)
  expect(kept[0]?.reason).toBe('not of 999')
})

it('lets no byte through that a terminal would act on', () => {
  const [kept] = linesAfter({ line: 'a\x1b[2J\u202eb\ud800', reason: 'not \x07' })
  expect(kept).toMatchObject({ line: 'a\\x1b[2J\\u202eb\\ud800', reason: 'not \\x07' })
})

it('cuts long lines around the place where they fail', () => {
  const line = `${'a'.repeat(5000)}HERE${'b'.repeat(5000)}`
  const [kept] = linesAfter({ line, column: 5000 })
  expect(kept?.line).toMatch(/^\.\.\.a+HEREb+\.\.\.$/)
  expect(kept).toMatchObject({ column: 5000 })
  expect(linesAfter({ line, column: 0 })[0]?.line).toMatch(/^a+\.\.\.$/)
  expect(linesAfter({ line, column: line.length })[0]?.line).toMatch(/^\.\.\.b+$/)
  expect(linesAfter({ line, column: 1e9 })[0]?.line).toMatch(/^\.\.\.b+$/)
})

it('cuts what escaping makes long', () => {
  const [kept] = linesAfter({ line: '\u202e'.repeat(16_000), reason: '\x1b'.repeat(16_000), column: 8000 })
  expect(kept?.line.length).toBeLessThan(700)
  expect(kept?.reason.length).toBeLessThan(300)
})
