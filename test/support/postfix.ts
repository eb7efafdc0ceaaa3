// The real Postfix as the laboratory's mail host, smtpd in its chroot as Debian ships it or not.
import { chmod, mkdir } from 'node:fs/promises'
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'

/** What differs from one test to the next. */
export interface PostfixOptions {
  /** Lines for the end of main.cf. */
  readonly mainCf: string
  /** False: smtpd runs outside of the chroot, as upstream ships it. */
  readonly chroot?: boolean
  /** Lines for the end of master.cf. */
  readonly masterCf?: string
  /** Shell commands to be run once main.cf is there. */
  readonly script?: string
}

/** The running Postfix. Port 25 on the server's addresses; local mail goes to /var/mail, mail for elsewhere is held. */
export interface PostfixServer extends MtaProcess {
  readonly root: OverlayRoot
  /** `popauthd/` in the queue directory, on the host: a relative socket path of Postfix ends there. */
  readonly socketDirectory: string
}

const QUEUE = '/var/spool/postfix'

/** Starts Postfix and waits until it answers on IPv4 and IPv6. */
export async function startPostfix(lab: Lab, options: PostfixOptions): Promise<PostfixServer> {
  const { chroot = true } = options
  const root = await lab.root('postfix', chroot ? 'chroot' : 'plain')
  const socketDirectory = `${root.path}${QUEUE}/popauthd`
  await mkdir(socketDirectory, { recursive: true, mode: 0o755 })
  await chmod(socketDirectory, 0o755)
  await configure(root, options.mainCf)
  const services = await root.exec(['postconf', '-M', 'smtp/inet'])
  const [, ...fields] = services.trim().split(/\s+/)
  fields[3] = chroot ? 'y' : 'n'
  await root.exec(['postconf', '-M', `smtp/inet=smtp ${fields.join(' ')}`])
  const { masterCf = '', script = '' } = options
  await root.exec(['sh', '-ec', `cat >>/etc/postfix/master.cf\n${script}`], { input: masterCf })
  for (const user of ['alice', 'bob']) await root.exec(['useradd', '--create-home', user])
  await root.exec(['newaliases'])
  const process = await startMta(lab, root, ['postfix', 'start-fg'])
  return { ...process, root, socketDirectory }
}

// No name server answers here: names are not looked up, and mail for elsewhere waits.
function configure(root: OverlayRoot, mainCf: string): Promise<void> {
  return root.write(
    '/etc/postfix/main.cf',
    `compatibility_level = 3.6
myhostname = ${MAIL_HOST}
mydestination = ${MAIL_HOST}, localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
smtpd_peername_lookup = no
disable_dns_lookups = yes
defer_transports = smtp
alias_maps = lmdb:/etc/aliases
alias_database = lmdb:/etc/aliases
maillog_file = /var/log/postfix.log
smtpd_delay_reject = yes
smtpd_error_sleep_time = 0
smtpd_recipient_restrictions =
${mainCf}
`,
  )
}
