/** fail2ban-regex with a pattern for Dovecot's logins: the machine's own, or that of Debian's package. */
import { join } from 'node:path'
import { installed, unpackedPackage } from './debian-package.ts'

const PATTERN =
  '^.*dovecot(?:\\[\\d+\\])?: (?:pop3|imap)-login: Login: user=<<F-USER>[^>]*</F-USER>>, .*?rip=<HOST>, .*$'

/** How to call it on a log. */
interface Fail2banCall {
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** Undefined where it is neither installed nor to be had. */
export async function fail2ban(): Promise<((log: string) => Fail2banCall) | undefined> {
  const own = await installed('fail2ban-regex')
  if (own !== undefined) return (log) => ({ command: [own, log, PATTERN], env: {} })
  const home = await unpackedPackage('fail2ban') // it needs nothing else than Python
  if (home === undefined) return undefined
  const [program, config] = [join(home, 'usr/bin/fail2ban-regex'), join(home, 'etc/fail2ban')]
  const env = { PYTHONPATH: join(home, 'usr/lib/python3/dist-packages'), PYTHONDONTWRITEBYTECODE: '1' }
  return (log) => ({ command: ['python3', program, '--config', config, log, PATTERN], env })
}
