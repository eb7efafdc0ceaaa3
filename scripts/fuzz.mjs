/** `npm run fuzz`: the tests of chance for minutes, with a new seed: `npm run fuzz -- --minutes 10 --seed 7 [FILE...]`. Exit code 1 on a finding. */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepare, root } from './prepare.mjs'

/** The number that an option or a variable names; ends the process with exit code 2 where it is none. */
function number(name, text, isAllowed) {
  const value = Number(text)
  if (isAllowed(value)) return value
  console.error(`popauthd: ${name} cannot be ${JSON.stringify(text)}`)
  process.exit(2)
}

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const { POPAUTHD_FUZZ_MINUTES: minutesSet = '5', POPAUTHD_FUZZ_SEED: seedSet = String(randomInt(2 ** 31)) } =
  process.env
const minutes = number('--minutes', values.minutes ?? minutesSet, (value) => value > 0 && value <= 10_000)
const seed = number(
  '--seed',
  values.seed ?? seedSet,
  (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
)

prepare()
console.log(`fuzzing for about ${minutes} minutes; this run again: npm run fuzz -- --minutes ${minutes} --seed ${seed}`)
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--project', 'fuzz', '--disable-console-intercept', '--silent=false', ...positionals],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, POPAUTHD_FUZZ_MINUTES: String(minutes), POPAUTHD_FUZZ_SEED: String(seed) },
  },
)
console.log(status === 0 ? `seed ${seed}: nothing found` : `seed ${seed}: see above`)
process.exitCode = status === 0 ? 0 : 1
