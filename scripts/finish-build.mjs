/** Last step of the build: copies what is not compiled, makes the program executable, and leaves the stamp that start looks at. */
import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

cpSync(join(root, 'src/parsers/samples'), join(root, 'dist/parsers/samples'), { recursive: true })
chmodSync(join(root, 'dist/main.js'), 0o755)
writeFileSync(join(root, 'dist/.built'), '')
