/** `npm run bench`: builds, then measures. Arguments name the benchmarks: `npm run bench -- scan table latency memory`; all without any. `--scale 0.02` measures less. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

prepare()
const hooks = join(root, 'test/support/typescript-hooks.mjs')
const { status } = spawnSync(
  process.execPath,
  ['--import', hooks, join(root, 'bench/main.ts'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = status ?? 1
