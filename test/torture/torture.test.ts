/** The torture: half a minute with fixed seeds in `npm test`, minutes with a new one in `npm run torture`. */
import { describe, expect, it } from 'vitest'
import { openLab } from '../support/lab.ts'
import { labAvailability } from '../support/lab-availability.ts'
import { type Report, torture } from './torture.ts'

const unavailable = labAvailability()
const minutes = process.env.POPAUTHD_TORTURE_MINUTES
const isLong = minutes !== undefined
/** Rounds of a long run: each is a laboratory of its own. */
const ROUND_MS = 5 * 60_000
const SHORT_MS = 9_000

describe.skipIf(unavailable)(`torture${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  it.each(rounds())('ends with the table that all lines ever written make (seed %d)', async (seed, durationMs) => {
    await using lab = await openLab()
    const report = await torture(lab, seed, durationMs)
    console.info(said(report))
    expect(report.problems.slice(0, 20)).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(isLong ? durationMs / 4000 : 2)
    for (const count of Object.values(report.rotations)) expect(count).toBeGreaterThanOrEqual(2)
  })
})

function rounds(): [seed: number, durationMs: number][] {
  if (!isLong) return [1, 2].map((seed) => [seed, SHORT_MS])
  const totalMs = Number(minutes) * 60_000
  const count = Math.ceil(totalMs / ROUND_MS)
  const seed = Number(process.env.POPAUTHD_TORTURE_SEED ?? 1)
  return Array.from({ length: count }, (_, i) => [seed + i, totalMs / count])
}

function said({ seed, written, lost, rotations, kills, stops, problems }: Report): string {
  const listed = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  return [
    `seed ${seed}: ${written} logins, killed ${kills} times, stopped ${stops} times, ${problems.length} problems`,
    `  rotations: ${listed(rotations)}`,
    `  logins that rotation lost (allowed with and without): ${listed(lost)}`,
    ...problems.slice(0, 20).map((problem) => `  ${problem}`),
  ].join('\n')
}
