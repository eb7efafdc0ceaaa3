// Says whether this machine can run the laboratory of real servers, and if not, why.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const TOOLS = ['ip', 'unshare', 'mount', 'umount', 'chroot', 'flock', 'setpriv', 'strace'] as const

let known: { reason: string | undefined } | undefined

/**
 * The reason why the laboratory cannot run here, or undefined when it can. Looked up once in a process.
 *
 * As root, what is missing is installed from Debian's packages first. With `POPAUTHD_E2E=require` in the environment (as
 * CI sets it), a laboratory that still cannot run is an error, so that no end-to-end test is skipped unseen.
 * @throws {Error} only with `POPAUTHD_E2E=require`.
 */
export function labAvailability(): string | undefined {
  known ??= { reason: preparedLab() }
  return known.reason
}

/** True when an end-to-end test that cannot run has to fail instead of being skipped. */
export function labRequired(): boolean {
  return process.env.POPAUTHD_E2E === 'require'
}

function preparedLab(): string | undefined {
  const mayInstall = process.env.POPAUTHD_E2E !== 'off' && process.platform === 'linux' && process.getuid?.() === 0
  if (mayInstall && missingTools().length > 0) installTools()
  const reason = firstObstacle()
  if (reason !== undefined && labRequired()) {
    throw new Error(`POPAUTHD_E2E=require, but the test laboratory cannot run: ${reason}`)
  }
  return reason
}

function firstObstacle(): string | undefined {
  if (process.env.POPAUTHD_E2E === 'off') return 'switched off by POPAUTHD_E2E=off'
  if (process.platform !== 'linux') return `needs Linux namespaces; this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces and mounts'
  const missing = missingTools()
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (apt-get install mmdebstrap iproute2 util-linux strace)`
  if (!existsSync(KEYRING)) return `${KEYRING} is missing (apt-get install debian-archive-keyring)`
  return namespaceObstacle()
}

function missingTools(): string[] {
  const directories = (process.env.PATH ?? '').split(':')
  return [...TOOLS, 'mmdebstrap'].filter((tool) => !directories.some((directory) => existsSync(`${directory}/${tool}`)))
}

function installTools(): void {
  const packages = ['mmdebstrap', 'iproute2', 'util-linux', 'strace', 'debian-archive-keyring']
  process.stderr.write(`installing for the end-to-end tests: ${packages.join(' ')}\n`)
  try {
    execFileSync('apt-get', ['update', '-q'], { stdio: 'pipe' })
    execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { stdio: 'pipe' })
  } catch {
    // firstObstacle() names what is still missing
  }
}

function namespaceObstacle(): string | undefined {
  try {
    execFileSync('unshare', ['--mount', '--net', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'pipe',
    })
    return undefined
  } catch (error) {
    return `namespaces or mounts are not permitted here: ${error instanceof Error ? error.message : String(error)}`
  }
}
