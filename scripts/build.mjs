/** `npm run build`: bundles the program into dist/. What each command needs is loaded in few files: a command line must start at once. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './prepare.mjs'

/** Small libraries that every command loads; the others stay in node_modules and are loaded where they are used. */
const BUNDLED = ['commander', 'picocolors', 'fastest-levenshtein', 'ipaddr.js']
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const kept = Object.keys(dependencies).filter((name) => !BUNDLED.includes(name))

/** The modules that a module loads at once, itself among them. */
function loadedBy(path, seen = new Set()) {
  if (seen.has(path)) return seen
  seen.add(path)
  for (const [, from] of readFileSync(path, 'utf8').matchAll(
    /^(?:import(?! type)|export) [^;']*? from '(\.[^']+)'$/gm,
  )) {
    loadedBy(join(dirname(path), from), seen)
  }
  return seen
}

const source = (path) => join(root, 'src', path)
const starting = loadedBy(source('main.ts'))
const searching = loadedBy(source('cli/segments.ts'))
const scanning = new Set([...loadedBy(source('process.ts')), ...loadedBy(source('cli/scan.ts'))])

/** commander loads node:child_process for commands that are programs of their own, of which there are none here. */
const withoutChildProcess = {
  name: 'without-child-process',
  transform: {
    filter: { id: /commander\/lib\/command\.js$/ },
    handler(code) {
      const loads = "const childProcess = require('node:child_process');"
      if (!code.includes(loads))
        throw new Error('commander no longer loads node:child_process so: see scripts/build.mjs')
      return { code: code.replace(loads, 'const childProcess = undefined;'), map: null }
    },
  },
}

const bundle = await rolldown({
  cwd: root,
  input: { main: 'src/main.ts', 'search-worker': 'src/cli/search-worker.ts', generated: 'src/config/generated.ts' },
  platform: 'node',
  external: (id) => id.startsWith('node:') || kept.some((name) => id === name || id.startsWith(`${name}/`)),
  transform: { target: 'node20.19' },
  plugins: [withoutChildProcess],
})
rmSync(join(root, 'dist'), { recursive: true, force: true })
await bundle.write({
  dir: join(root, 'dist'),
  format: 'esm',
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  // One file for the second thread of scan, one for what scan needs beside it: the command that is waited for.
  codeSplitting: {
    groups: [
      { name: 'start', test: (id) => starting.has(id) && !id.endsWith('/main.ts'), priority: 3 },
      { name: 'search', test: (id) => searching.has(id), priority: 2 },
      { name: 'scan', test: (id) => scanning.has(id) && !id.endsWith('/process.ts'), priority: 1 },
    ],
  },
})
// OpenSMTPD's table program: one file without imports, so that it runs under any name, wherever it is copied or linked to.
const table = await rolldown({
  cwd: root,
  input: 'src/table-popauthd.ts',
  platform: 'node',
  transform: { target: 'node20.19' },
})
await table.write({ file: join(root, 'dist/table-popauthd.js'), format: 'cjs', sourcemap: false })
for (const program of ['main.js', 'table-popauthd.js']) chmodSync(join(root, 'dist', program), 0o755)
writeFileSync(join(root, 'dist/.built'), '')
