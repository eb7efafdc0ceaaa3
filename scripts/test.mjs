/** `npm test`: installs what the tests need, builds, and runs unit, contract and end-to-end tests. Arguments go to vitest. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

prepare()
const projects = ['unit', 'contract', 'e2e'].flatMap((name) => ['--project', name])
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', ...projects, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
