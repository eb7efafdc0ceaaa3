/** Shared by start, test and bench: checks Node, installs the dependencies and builds, each only when needed. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Ends the process with a message and exit code 2. */
function fail(message) {
  console.error(`popauthd: ${message}`)
  process.exit(2)
}

/** Runs a command in the checkout; ends the process if it fails. */
export function run(command, args, { what, env = {} }) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error) fail(`${what}: cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) fail(`${what} failed (${command} ${args.join(' ')})`)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  fail(
    `Node.js ${process.versions.node} is too old: 20.19 or newer is needed (https://nodejs.org, or your system's packages)`,
  )
}

/** The installed tree matches the lock file if npm's own record of it is not older. */
function isInstalled() {
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(record, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
  )
}

function newestMtimeMs(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .reduce((newest, entry) => Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0)
}

function isBuilt() {
  const stamp = join(root, 'dist/.built')
  if (!existsSync(stamp)) return false
  const newest = Math.max(newestMtimeMs(join(root, 'src')), statSync(join(root, 'package.json')).mtimeMs)
  return statSync(stamp).mtimeMs > newest
}

/** Brings the checkout to where `dist/main.js` runs. */
export function prepare() {
  checkNode()
  if (!isInstalled()) run('npm', ['ci', '--no-fund', '--no-audit'], { what: 'installing the dependencies' })
  if (!isBuilt()) {
    console.error('popauthd: building')
    run('npm', ['run', '--silent', 'build'], { what: 'building' })
  }
}
