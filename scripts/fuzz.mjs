/** `npm run fuzz`: the tests of chance for minutes, with a new seed: `npm run fuzz -- --minutes 10 --seed 7 [FILE...]`. Exit code 1 on a finding. */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { minutesOf, seedOf } from './chance-options.mjs'
import { prepare, root } from './prepare.mjs'

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const { POPAUTHD_FUZZ_MINUTES: minutesSet = '5', POPAUTHD_FUZZ_SEED: seedSet = String(randomInt(2 ** 31)) } =
  process.env
const minutes = minutesOf(values.minutes ?? minutesSet)
const seed = seedOf(values.seed ?? seedSet)

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
