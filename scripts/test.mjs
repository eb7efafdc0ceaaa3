/** `npm test`: installs what the tests need, builds, and runs unit, contract and end-to-end tests. Arguments go to vitest; `--project NAME` narrows it. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

prepare()
const given = process.argv.slice(2)
const isNarrowed = given.some((argument) => argument === '--project' || argument.startsWith('--project='))
const projects = isNarrowed ? [] : ['unit', 'contract', 'e2e'].flatMap((name) => ['--project', name])
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', ...projects, ...given], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
