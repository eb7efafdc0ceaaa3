/** `npm run generate`: writes the files that are made from the option table and the list of parsers (after a build; `--check` only compares). */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './prepare.mjs'

run('npm', ['run', '--silent', 'build'], { what: 'building' })
const { generatedFiles } = await import('../dist/generated.js')
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
