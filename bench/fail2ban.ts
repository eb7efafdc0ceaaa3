/** fail2ban-regex with a pattern for Dovecot's logins: the machine's own, or Debian's package unpacked beside the roots of the tests. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rootCache } from '../test/support/roots.ts'
import { mustRun, run } from '../test/support/run.ts'

const PATTERN =
  '^.*dovecot(?:\\[\\d+\\])?: (?:pop3|imap)-login: Login: user=<<F-USER>[^>]*</F-USER>>, .*?rip=<HOST>, .*$'
const DOWNLOAD_TIMEOUT_MS = 120_000

/** How to call it on a log. */
export interface Fail2banCall {
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** Undefined where it is neither installed nor to be had. */
export async function fail2ban(): Promise<((log: string) => Fail2banCall) | undefined> {
  const installed = (await run('sh', ['-c', 'command -v fail2ban-regex'])).stdout.trim()
  if (installed !== '') return (log) => ({ command: [installed, log, PATTERN], env: {} })
  const home = await unpacked().catch(() => undefined)
  if (home === undefined) return undefined
  const [program, config] = [join(home, 'usr/bin/fail2ban-regex'), join(home, 'etc/fail2ban')]
  const env = { PYTHONPATH: join(home, 'usr/lib/python3/dist-packages'), PYTHONDONTWRITEBYTECODE: '1' }
  return (log) => ({ command: ['python3', program, '--config', config, log, PATTERN], env })
}

/** Where Debian's package lies unpacked; it needs nothing else than Python. @throws {Error} */
async function unpacked(): Promise<string> {
  const home = join(rootCache(), 'fail2ban')
  if (existsSync(home)) return home
  const partial = `${home}.partial-${process.pid}`
  mkdirSync(partial, { recursive: true })
  try {
    await mustRun('sh', ['-c', 'cd "$1" && apt-get download fail2ban', 'sh', partial], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    })
    const file = readdirSync(partial).find((name) => name.endsWith('.deb'))
    if (file === undefined) throw new Error('apt-get downloaded nothing')
    await mustRun('dpkg-deb', ['-x', join(partial, file), join(partial, 'root')])
    renameSync(join(partial, 'root'), home)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return home
}
