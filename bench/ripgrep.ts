/** ripgrep: the machine's own, or that of Debian's package. */
import { join } from 'node:path'
import { run } from '../test/support/run.ts'
import { installed, unpackedPackage } from './debian-package.ts'

/** The path of `rg`; undefined where it is neither installed nor to be had, or its libraries are missing. */
export async function ripgrep(): Promise<string | undefined> {
  const own = await installed('rg')
  if (own !== undefined) return own
  const home = await unpackedPackage('ripgrep')
  if (home === undefined) return undefined
  const path = join(home, 'usr/bin/rg')
  return (await run(path, ['--version'])).code === 0 ? path : undefined
}
