// The real sendmail as the laboratory's mail host, with a configuration made by its own m4.
import { chmod, readFile, writeFile } from 'node:fs/promises'
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'
import { type RunResult, run } from './run.ts'

/** What differs from one test to the next. */
export interface SendmailOptions {
  /** Text for the end of the .mc file, for instance a LOCAL_CONFIG section with tabs. */
  readonly extraMc?: string
  /** Ask a socketmap at this host path through the feature that popauthd ships. */
  readonly popauthd?: string
  /** Ask a socketmap at this host path (in the laboratory's shared directory) from Local_Relay_Auth, for all recipients. */
  readonly socketMap?: string
  /** Arguments of FEATURE(access_db); by default a hash map at `accessPath`. */
  readonly accessDb?: string
  /** Use sendmail's own file checks (no Debian DOMAIN file: no TrustedUser, DontBlameSendmail=safe). */
  readonly strict?: boolean
}

/** The running sendmail. Port 25 on the server's addresses; local mail goes to /var/mail, mail for elsewhere stays in the queue. */
export interface SendmailServer extends MtaProcess {
  readonly root: OverlayRoot
  /** The text file beside the map, on the host and in the root: `access`; the map is `access.db`. */
  readonly accessPath: string
  /** A program on the host that runs the root's makemap: for popauthd's `makemap` option. Paths in `shared` mean the same inside. */
  readonly makemapCommand: string
  /** The same for editmap. */
  readonly editmapCommand: string
  /** popauthd's options `sendmail_access` for this map. */
  readonly accessConfig: Readonly<Record<string, unknown>>
  /** Makes the whole map from text, in place, as an operator does by hand. */
  makeAccess(text: string): Promise<void>
  /** The map as `makemap -u` dumps it: one `key<TAB>value` per line, sorted. */
  dumpAccess(): Promise<string[]>
  /** Runs `sendmail ARGS` in the root, for instance `['-bp']` or `['-bt']` with input. */
  sendmail(args: readonly string[], input?: string): Promise<RunResult>
}

/** Starts sendmail with an empty access map and waits until it answers on IPv4 and IPv6. */
export async function startSendmail(lab: Lab, options: SendmailOptions = {}): Promise<SendmailServer> {
  const root = await lab.root('sendmail')
  const accessPath = `${lab.shared}/mail/access`
  await configure(root, accessPath, options)
  const tools = await writeToolWrappers(lab, root)
  const map = mapTools(root, accessPath)
  await map.makeAccess('')
  const process = await startMta(lab, root, ['sendmail-mta', '-bD', '-q1h'])
  return { ...process, root, accessPath, accessConfig: accessConfig(accessPath, tools), ...tools, ...map }
}

const FEATURE_FILE = new URL('../../packaging/sendmail/popauthd.m4', import.meta.url)

async function configure(root: OverlayRoot, accessPath: string, options: SendmailOptions): Promise<void> {
  await root.write('/usr/share/sendmail/cf/feature/popauthd.m4', await readFile(FEATURE_FILE, 'utf8'))
  await root.write('/etc/mail/lab.switch', 'passwd files\nhosts files\naliases files\n')
  await root.write('/etc/mail/lab.mc', masterConfiguration(accessPath, options))
  await root.write('/etc/mail/sendmail.cf', await root.exec(['m4', '/etc/mail/lab.mc']))
  await root.write('/etc/aliases', 'postmaster: root\n')
  await root.exec(['mkdir', '-p', '/var/lib/sendmail/host_status'])
  for (const user of ['alice', 'bob']) await root.exec(['useradd', '--create-home', user])
  await root.exec(['newaliases'])
}

// HoldExpensive and the `e` flag of the smtp mailers keep mail for elsewhere in the queue; local mail is delivered at once.
function masterConfiguration(accessPath: string, options: SendmailOptions): string {
  return `include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(\`debian')dnl
${options.strict ? '' : "DOMAIN(`debian-mta')dnl"}
define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/lab.switch')dnl
define(\`confDOMAIN_NAME', \`${MAIL_HOST}')dnl
define(\`confPID_FILE', \`/run/sendmail.pid')dnl
define(\`confTO_IDENT', \`0s')dnl
define(\`confLOG_LEVEL', \`14')dnl
define(\`confCON_EXPENSIVE', \`True')dnl
define(\`SMTP_MAILER_FLAGS', \`e')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`accept_unresolvable_domains')dnl
FEATURE(\`no_default_msa')dnl
FEATURE(\`local_lmtp', \`/usr/libexec/sendmail/mail.local')dnl
FEATURE(\`access_db', \`${options.accessDb ?? `hash -T<TMPF> ${accessPath}`}')dnl
${options.popauthd === undefined ? 'dnl' : `FEATURE(\`popauthd', \`local:${options.popauthd}')dnl`}
DAEMON_OPTIONS(\`Name=MTA-v4, Family=inet, Addr=${SERVER_ADDRESS}, Port=25')dnl
DAEMON_OPTIONS(\`Name=MTA-v6, Family=inet6, Addr=${SERVER_ADDRESS6}, Port=25')dnl
MAILER(\`local')dnl
MAILER(\`smtp')dnl
${options.socketMap ? socketAttachment(options.socketMap) : ''}${options.extraMc ?? ''}
`
}

function socketAttachment(path: string): string {
  return `LOCAL_CONFIG
Kpopauth socket -o -d5 -T<TMPF> local:${path}
LOCAL_RULESETS
SLocal_Relay_Auth
R$*\t\t$: $(popauth connect: $&{client_addr} $: NOTFOUND $)
RRELAY\t\t$# RELAY
R$*\t\t$@ CONTINUE
`
}

async function writeToolWrappers(lab: Lab, root: OverlayRoot) {
  const [makemapCommand, editmapCommand] = [`${lab.shared}/run/makemap`, `${lab.shared}/run/editmap`] as const
  for (const path of [makemapCommand, editmapCommand]) {
    await writeFile(path, `#!/bin/sh\nexec chroot '${root.path}' /usr/sbin/"\${0##*/}" "$@"\n`)
    await chmod(path, 0o755)
  }
  return { makemapCommand, editmapCommand }
}

function accessConfig(path: string, tools: Pick<SendmailServer, 'makemapCommand' | 'editmapCommand'>) {
  return {
    enabled: true,
    path,
    makemap_command: [tools.makemapCommand, '{type}', '{map}'],
    editmap_command: [tools.editmapCommand, '-x', '{type}', '{map}'],
  }
}

function mapTools(root: OverlayRoot, accessPath: string) {
  return {
    makeAccess: async (text: string) => {
      await writeFile(accessPath, text)
      await root.exec(['makemap', 'hash', accessPath], { input: text })
    },
    dumpAccess: async () => {
      const dump = await root.exec(['makemap', '-u', 'hash', accessPath])
      return dump.split('\n').filter(Boolean).sort()
    },
    sendmail: (args: readonly string[], input = '') => run('chroot', [root.path, 'sendmail-mta', ...args], { input }),
  }
}
