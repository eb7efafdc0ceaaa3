// The real tcpserver as the laboratory's mail host. Debian has no qmail: behind it runs mailfront, which heeds RELAYCLIENT and rcpthosts as qmail-smtpd does.
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'

/** What stands in place of /var/qmail/bin/qmail-smtpd: mail is taken and dropped. */
export const SMTP_FRONT = '/usr/sbin/mailfront smtp echo relayclient qmail-validate'

/** The root, with the users and the control files of qmail. */
export async function qmailRoot(lab: Lab): Promise<OverlayRoot> {
  const root = await lab.root('qmail')
  await root.exec(['useradd', '--system', '--user-group', 'qmaild'])
  for (const name of ['me', 'rcpthosts', 'locals']) await root.write(`/var/qmail/control/${name}`, `${MAIL_HOST}\n`)
  return root
}

/** Starts tcpserver by `script`, as supervise would, and waits until it answers on IPv4 and IPv6. */
export async function startTcpserver(lab: Lab, root: OverlayRoot, script: string): Promise<MtaProcess> {
  await root.write('/service/qmail-smtpd/run', script, 0o755)
  return startMta(lab, root, ['env', 'QMAILHOME=/var/qmail', '/service/qmail-smtpd/run'])
}
