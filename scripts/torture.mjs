/**
 * `npm run torture`: logs are written and rotated by real programs while popauthd is killed over and over; then its table is judged.
 * `npm run torture -- --minutes 10 --seed 7`; a new seed unless told. Exit code 1 where the table is wrong. Takes root and Linux.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { minutesOf, seedOf } from './chance-options.mjs'
import { prepare, root } from './prepare.mjs'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = minutesOf(values.minutes ?? '5')
const seed = seedOf(values.seed ?? String(randomInt(2 ** 31)))

prepare()
console.log(`about ${minutes} minutes; this run again: npm run torture -- --minutes ${minutes} --seed ${seed}`)
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--project', 'torture', '--disable-console-intercept', '--silent=false'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      POPAUTHD_E2E: 'require',
      POPAUTHD_TORTURE_MINUTES: String(minutes),
      POPAUTHD_TORTURE_SEED: String(seed),
    },
  },
)
console.log(status === 0 ? `seed ${seed}: the table was right` : `seed ${seed}: see above`)
process.exitCode = status === 0 ? 0 : 1
