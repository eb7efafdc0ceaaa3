/**
 * `npm run torture`: logs are written and rotated by real programs while popauthd is killed over and over; then its table is judged.
 * `npm run torture -- --minutes 10 --seed 7`; a new seed unless told. Exit code 1 where the table is wrong. Takes root and Linux.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepare, root } from './prepare.mjs'

/** The number that an option gives; ends the process with exit code 2 where it is none. */
function number(name, text, isAllowed) {
  const value = Number(text)
  if (isAllowed(value)) return value
  console.error(`popauthd: ${name} cannot be ${JSON.stringify(text)}`)
  process.exit(2)
}

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = number('--minutes', values.minutes ?? '5', (value) => value > 0 && value <= 10_000)
const seed = number(
  '--seed',
  values.seed ?? String(randomInt(2 ** 31)),
  (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
)

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
