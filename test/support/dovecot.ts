// The real Dovecot, 2.3 or 2.4, serving POP3 and IMAP to the laboratory's users, logging to syslog or to its own file.
import { type ChrootProcess, type isolated, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS } from './netns.ts'
import type { OverlayRoot } from './overlay-root.ts'
import { waitForPort } from './port.ts'

/** User names that every POP3 and IMAP server of the laboratory knows, and the password of each of them. */
export const LAB_USERS = ['alice', 'bob', 'carol', 'o.brien', 'o.brien@example.net'] as const
export const LAB_PASSWORD = 'correct horse'

/** What differs from one Dovecot to the next. Several can run at once on different ports. */
export interface DovecotOptions {
  readonly version?: '2.3' | '2.4'
  /** Syslog (facility mail, through the laboratory's rsyslog), or its own file in the shared directory. */
  readonly log?: 'syslog' | 'file'
  /** By default 110 and 143. */
  readonly pop3Port?: number
  readonly imapPort?: number
  /** How its root is entered. */
  readonly by?: typeof isolated
  /** Lines for the end of dovecot.conf. */
  readonly extra?: string
}

/** The running Dovecot. */
export interface DovecotServer extends ChrootProcess {
  readonly root: OverlayRoot
  readonly pop3Port: number
  readonly imapPort: number
  /** Its own log file on the host, or undefined when it logs through syslog. */
  readonly ownLog: string | undefined
}

/** Starts Dovecot and waits until both ports answer. Logins in plain text are allowed. */
export async function startDovecot(lab: Lab, options: DovecotOptions = {}): Promise<DovecotServer> {
  const version = options.version ?? '2.3'
  const [pop3Port, imapPort] = [options.pop3Port ?? 110, options.imapPort ?? 143]
  const root = await lab.root(version === '2.4' ? 'dovecot24' : 'dovecot', `port${pop3Port}`)
  const ownLog = options.log === 'file' ? `${lab.shared}/log/dovecot-${pop3Port}.log` : undefined
  const common = commonSettings(pop3Port, imapPort, ownLog)
  await addUsers(root)
  await root.write('/etc/dovecot/dovecot.conf', `${VERSION_SETTINGS[version](common)}${options.extra ?? ''}\n`)
  const process = startInRoot(root.path, lab.server, ['dovecot', '-F'], options.by)
  lab.adopt(process)
  await waitForPort(lab.server, SERVER_ADDRESS, pop3Port, process)
  await waitForPort(lab.server, SERVER_ADDRESS, imapPort, process)
  return { ...process, root, pop3Port, imapPort, ownLog }
}

function commonSettings(pop3Port: number, imapPort: number, ownLog: string | undefined): string {
  return `protocols = pop3 imap
ssl = no
log_path = ${ownLog ?? 'syslog'}
service imap-login {
  inet_listener imap {
    port = ${imapPort}
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${pop3Port}
  }
}
`
}

const VERSION_SETTINGS = {
  '2.3': (common: string) => `${common}listen = *, ::
disable_plaintext_auth = no
mail_location = maildir:/home/vmail/%u
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = scheme=PLAIN /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/home/vmail/%u
}
`,
  '2.4': (common: string) => `dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
${common}listen = *, ::
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = /home/vmail/%{user}
auth_mechanisms {
  plain = yes
  login = yes
}
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
  default_password_scheme = PLAIN
}
userdb static {
  fields {
    uid = vmail
    gid = vmail
    home = /home/vmail/%{user}
  }
}
`,
} as const

async function addUsers(root: OverlayRoot): Promise<void> {
  const lines = LAB_USERS.map((user) => `${user}:{PLAIN}${LAB_PASSWORD}::::::\n`)
  await root.write('/etc/dovecot/users', lines.join(''), 0o644)
  await root.exec(['useradd', '--uid', '5000', '--create-home', 'vmail'])
}
