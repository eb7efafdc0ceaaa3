/** Last step of the build: copies what is not compiled, makes the program executable, and leaves the stamp that start looks at. */
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

// The compiler rewrites `./x.ts` to `./x.js`, but not everywhere (an import() in a function with `await using`): such a build must not pass.
for (const entry of readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (!entry.name.endsWith('.js') || !/(?:from |await import\()['"]\.[^'"]*\.ts['"]/.test(readFileSync(path, 'utf8')))
    continue
  console.error(`${path} imports a .ts file: move the import() into a function without 'await using'`)
  process.exit(1)
}

cpSync(join(root, 'src/parsers/samples'), join(root, 'dist/parsers/samples'), { recursive: true })
chmodSync(join(root, 'dist/main.js'), 0o755)
writeFileSync(join(root, 'dist/.built'), '')
