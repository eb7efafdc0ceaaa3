import { expect, it } from 'vitest'
import { ManualClock } from '../../lib/clock.ts'
import type { SourceNotice } from '../source.ts'
import { ReportTally } from './report-tally.ts'

function setUp() {
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const notices: SourceNotice[] = []
  return { clock, notices, tally: new ReportTally({ clock, notice: (notice) => notices.push(notice) }) }
}

it('counts what opens nothing and says nothing of it', () => {
  const { notices, tally } = setUp()
  for (let i = 0; i < 3; i++) tally.lost('ignored', 'no success')
  expect(tally.counts).toEqual({ ignored: 3, malformed: 0, unauthorized: 0, dropped: 0 })
  expect(notices).toEqual([])
})

it('tells of the first of a kind at once, of the others together a minute later', () => {
  const { clock, notices, tally } = setUp()
  for (let i = 0; i < 5; i++) tally.lost('unauthorized')
  tally.lost('malformed', 'not JSON')
  expect(notices.map(({ detail }) => detail.slice(0, 21))).toEqual(['1 report(s) without t', '1 report(s) not under'])
  expect(notices[1]?.detail).toMatch(/\(not JSON\)$/)
  clock.advance(60_000)
  tally.lost('unauthorized')
  expect(notices[2]?.detail).toMatch(/^5 report\(s\) without the secret/)
  expect(tally.counts).toMatchObject({ unauthorized: 6, malformed: 1 })
})

it('is not silenced by a clock that is set back', () => {
  const { clock, notices, tally } = setUp()
  tally.lost('dropped')
  clock.set(clock.now() - 3_600_000)
  tally.lost('dropped')
  expect(notices).toHaveLength(2)
})
