/** How long tests of chance try: seconds with a fixed seed in `npm test`, minutes with a new seed in `npm run fuzz`. */

/** Set by scripts/fuzz.mjs: how long all tests of chance together may take. */
const minutes = process.env.POPAUTHD_FUZZ_MINUTES
export const isLong = minutes !== undefined
/** Milliseconds that a long run may take, 0 in a short one. */
export const longMs = Number(minutes ?? 0) * 60_000

/** What all chance in the tests comes from. */
export const SEED = Number(process.env.POPAUTHD_FUZZ_SEED ?? 20_021_122)

/** About so many property tests share a part of the time. */
const PROPERTIES = 180
const PART_OF_PROPERTIES = 0.25

/** The seed and the number of runs of a property test of fast-check: `numRuns`, or what its part of the time allows. */
export function effort(numRuns: number) {
  if (!isLong) return { seed: SEED, numRuns }
  const interruptAfterTimeLimit = Math.max(200, (longMs * PART_OF_PROPERTIES) / PROPERTIES)
  return { seed: SEED, numRuns: numRuns * 1000, interruptAfterTimeLimit }
}

/** Numbers from 0 up: as many as `count`, or, in a long run, until this `part` (0 to 1) of its time is over; then says how many it were. */
export function* rounds(name: string, count: number, part: number): Generator<number> {
  const startMs = performance.now()
  const isOver = (round: number) => (isLong ? performance.now() - startMs > longMs * part : round >= count)
  let toldMs = startMs
  let round = 0
  for (; !isOver(round); round++) {
    yield round
    if (!isLong || performance.now() - toldMs < 10_000) continue
    toldMs = performance.now()
    console.log(`${name}: ${round} rounds, ${Math.round((toldMs - startMs) / 1000)} s`)
  }
  if (isLong) console.log(`${name}: ${round} rounds, nothing found`)
}
