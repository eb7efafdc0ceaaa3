/** Programs of Debian's packages for the benchmarks, unpacked beside the roots of the tests: nothing is installed. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rootCache } from '../test/support/roots.ts'
import { mustRun, run } from '../test/support/run.ts'

const DOWNLOAD_TIMEOUT_MS = 120_000

/** The path of a program that is installed here. */
export async function installed(program: string): Promise<string | undefined> {
  const path = (await run('sh', ['-c', 'command -v "$1"', 'sh', program])).stdout.trim()
  return path === '' ? undefined : path
}

/** Where a package lies unpacked (without what it depends on); undefined where it cannot be fetched. */
export async function unpackedPackage(name: string): Promise<string | undefined> {
  const home = join(rootCache(), name)
  if (existsSync(home)) return home
  try {
    await unpack(name, home)
    return home
  } catch {
    return undefined
  }
}

async function unpack(name: string, home: string): Promise<void> {
  const partial = `${home}.partial-${process.pid}`
  mkdirSync(partial, { recursive: true })
  try {
    await mustRun('sh', ['-c', 'cd "$1" && apt-get download "$2"', 'sh', partial, name], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    })
    const file = readdirSync(partial).find((entry) => entry.endsWith('.deb'))
    if (file === undefined) throw new Error('apt-get downloaded nothing')
    await mustRun('dpkg-deb', ['-x', join(partial, file), join(partial, 'root')])
    renameSync(join(partial, 'root'), home)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}
