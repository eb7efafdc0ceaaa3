// Builds and caches the system roots in which the laboratory's real servers run: Debian's packages, never installed on the host.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { run } from './run.ts'

interface RootRecipe {
  readonly suite: string
  readonly packages: readonly string[]
}

const RECIPES = {
  sendmail: { suite: 'bookworm', packages: ['sendmail-bin', 'sendmail-base', 'sendmail-cf', 'm4'] },
  postfix: { suite: 'bookworm', packages: ['postfix', 'postfix-lmdb', 'postfix-cdb'] },
  exim: { suite: 'bookworm', packages: ['exim4-daemon-heavy'] },
  opensmtpd: { suite: 'trixie', packages: ['opensmtpd', 'ca-certificates', 'nodejs'] },
  opensmtpdFiles: { suite: 'bookworm', packages: ['opensmtpd', 'ca-certificates', 'sudo'] },
  dovecot: { suite: 'bookworm', packages: ['dovecot-core', 'dovecot-pop3d', 'dovecot-imapd', 'rsyslog'] },
  dovecot24: { suite: 'trixie', packages: ['dovecot-core', 'dovecot-pop3d', 'dovecot-imapd'] },
  popa3d: { suite: 'bookworm', packages: ['popa3d'] },
  courier: { suite: 'bookworm', packages: ['courier-pop', 'courier-imap'] },
  cyrus: { suite: 'bookworm', packages: ['cyrus-imapd', 'cyrus-pop3d', 'sasl2-bin', 'ssl-cert'] },
  solidPop3d: { suite: 'bookworm', packages: ['solid-pop3d', 'openbsd-inetd'] },
  mailutils: { suite: 'bookworm', packages: ['mailutils-pop3d', 'mailutils-imap4d'] },
  proxies: { suite: 'bookworm', packages: ['nginx', 'libnginx-mod-mail', 'perdition', 'imapproxy', 'ssl-cert'] },
  journal: { suite: 'bookworm', packages: ['systemd', 'systemd-journal-remote'] },
  syslogNg: { suite: 'bookworm', packages: ['syslog-ng-core', 'logrotate'] },
  rsyslog: { suite: 'bookworm', packages: ['rsyslog', 'rsyslog-gnutls', 'rsyslog-openssl', 'socat'] },
  nftables: { suite: 'bookworm', packages: ['nftables'] },
  faketime: { suite: 'bookworm', packages: ['libfaketime'] },
  qmail: { suite: 'bookworm', packages: ['ucspi-tcp-ipv6', 'mailfront'] },
  courierMta: { suite: 'bookworm', packages: ['courier-mta'] },
  clients: { suite: 'bookworm', packages: ['swaks', 'mpop', 'curl', 'fetchmail', 'ca-certificates'] },
} as const satisfies Record<string, RootRecipe>

/** The roots that exist: servers of Debian 12 (the proxies share one), Dovecot 2.4 and OpenSMTPD 7.6 (with Node, for the table program) of Debian 13, what writes and rotates logs, nft, a library that sets the clock of one program, and the mail clients. */
export type RootName = keyof typeof RECIPES

const BUILD_TIMEOUT_MS = 10 * 60_000

// Runs under flock: whoever waited finds the finished root. A build that stopped half way left only *.partial behind.
const BUILD_SCRIPT = `set -e
final=$1 suite=$2 packages=$3 mirror=$4
[ -d "$final" ] && exit 0
rm -rf --one-file-system "$final.partial"
mmdebstrap --variant=minbase --include="$packages" "$suite" "$final.partial" $mirror
mv -T "$final.partial" "$final"`

const underWay = new Map<RootName, Promise<string>>()

/** Where roots are kept: POPAUTHD_TEST_CACHE, or /var/cache/popauthd-test. Outside the repository, shared by checkouts. */
export function rootCache(): string {
  return process.env.POPAUTHD_TEST_CACHE ?? '/var/cache/popauthd-test'
}

/**
 * The path of a root, built when it is not in the cache yet (about 20 s). Treat it as read-only: servers run on an overlay.
 * A changed recipe, suite or version of this file's scheme gives another path; old ones stay until somebody removes them.
 * Test files and checkouts that ask at the same time wait for one build.
 * @throws {Error} with mmdebstrap's own words when the build fails.
 */
export function ensureRoot(name: RootName): Promise<string> {
  const pending = underWay.get(name) ?? build(name)
  underWay.set(name, pending)
  pending.catch(() => underWay.delete(name))
  return pending
}

async function build(name: RootName): Promise<string> {
  const recipe: RootRecipe = RECIPES[name]
  const path = `${rootCache()}/${name}-${recipeHash(recipe)}`
  if (existsSync(path)) return path
  await mkdir(rootCache(), { recursive: true, mode: 0o755 })
  const script = [path, recipe.suite, recipe.packages.join(','), process.env.POPAUTHD_TEST_MIRROR ?? '']
  const result = await run('flock', [`${path}.lock`, 'sh', '-c', BUILD_SCRIPT, 'build', ...script], {
    timeoutMs: BUILD_TIMEOUT_MS,
  })
  if (result.code !== 0) throw new Error(`cannot build the root ${path}: ${result.stderr.trim().slice(-2000)}`)
  await readFile(`${path}/etc/debian_version`, 'utf8')
  return path
}

function recipeHash(recipe: RootRecipe): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12)
}
