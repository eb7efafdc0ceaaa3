/** `npm run generate`: writes the files that are made from the option table (after a build; `--check` only compares). */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = join(root, 'node_modules/typescript/bin/tsc')
const built = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (built.status !== 0) console.error('generate: the build has errors, going on with what it wrote')

const { generatedFiles } = await import('../dist/config/generated.js')
for (const { path, text } of generatedFiles()) {
  const same = textOf(join(root, path)) === text
  if (same) console.log(`${path}: up to date`)
  else if (process.argv.includes('--check')) {
    console.error(`${path}: differs; run npm run generate`)
    process.exitCode = 1
  } else {
    writeFileSync(join(root, path), text)
    console.log(`${path}: written`)
  }
}

function textOf(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
