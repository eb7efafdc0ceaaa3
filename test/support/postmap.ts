// postmap and postconf for tests without a mail server: those of the laboratory's root, if it has been built.
import { existsSync, readdirSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCache } from './roots.ts'
import { mustRun } from './run.ts'

/** The tools of one Postfix. */
export interface PostfixTestTools {
  /** The option `command` of a map. */
  readonly command: readonly string[]
  /** Entries of a table (`lmdb:/path`, without suffix), each `key<TAB>value`, as postmap lists them. */
  dump(table: string): Promise<string[]>
}

const MISSING = `no root of Postfix in ${rootCache()}: the end-to-end tests build it`

/** Why there are no tools at the start; undefined where there are. */
export const noPostmap = findHome() === undefined ? MISSING : undefined

/** Scripts and a configuration of their own go into `directory`. @throws {Error} where there are no tools */
export async function postfixTools(directory: string): Promise<PostfixTestTools> {
  const home = findHome()
  if (home === undefined) throw new Error(MISSING)
  const { root, libraries } = home
  const lines = {
    compatibility_level: '3.6',
    myhostname: 'mx.example.net',
    meta_directory: directory,
    shlib_directory: `${root}/usr/lib/postfix`,
    // Users and a group that every system has.
    mail_owner: 'daemon',
    setgid_group: 'mail',
    default_privs: 'nobody',
  }
  const mainCf = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
  await writeFile(join(directory, 'main.cf'), mainCf.join(''))
  await writeFile(join(directory, 'master.cf'), '')
  await writeFile(join(directory, 'dynamicmaps.cf'), await readFile(`${root}/etc/postfix/dynamicmaps.cf`))
  for (const name of ['postmap', 'postconf']) {
    const script = `#!/bin/sh\nLD_LIBRARY_PATH='${root}/usr/lib/postfix:${libraries}' exec '${root}/usr/sbin/${name}' -c '${directory}' "$@"\n`
    await writeFile(join(directory, name), script)
    await chmod(join(directory, name), 0o755)
  }
  const postmap = join(directory, 'postmap')
  const dump = async (table: string) => (await mustRun(postmap, ['-s', table])).split('\n').filter(Boolean)
  return { command: [postmap], dump }
}

function findHome(): { root: string; libraries: string } | undefined {
  if (!existsSync(rootCache())) return undefined
  for (const name of readdirSync(rootCache()).filter((entry) => /^postfix-[0-9a-f]+$/.test(entry))) {
    const root = join(rootCache(), name)
    const libraries = ['x86_64', 'aarch64'].map((machine) => `${root}/usr/lib/${machine}-linux-gnu`).find(existsSync)
    if (libraries !== undefined && existsSync(`${root}/usr/sbin/postmap`)) return { root, libraries }
  }
  return undefined
}
