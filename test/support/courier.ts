// The real Courier POP3 and IMAP servers, in plain text and with TLS from the first byte, for the users of the system.
import { startServers } from './background-servers.ts'
import type { ChrootProcess } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { addSystemUsers, SYSTEM_USERS } from './system-users.ts'

/** Where Courier listens. */
interface CourierPorts {
  readonly pop3: number
  readonly pop3s: number
  readonly imap: number
  readonly imaps: number
}

// Debian's settings allow 4 connections from one address, and from one network half of all.
const ROOM = 'MAXPERIP=100 MAXDAEMONS=200'

/** Starts the four services as Debian's start scripts do. They log through syslog only, by way of courierlogger. */
export async function startCourier(lab: Lab, ports: CourierPorts): Promise<ChrootProcess> {
  const root = await lab.root('courier')
  await addSystemUsers(root)
  for (const user of SYSTEM_USERS) await root.exec(['su', user, '-c', 'maildirmake ~/Maildir'])
  const settings = [
    ['pop3d', `PORT=${ports.pop3} ${ROOM}`],
    ['pop3d-ssl', `SSLPORT=${ports.pop3s}`],
    ['imapd', `PORT=${ports.imap} ${ROOM}`],
    ['imapd-ssl', `SSLPORT=${ports.imaps}`],
  ] as const
  for (const [service, line] of settings) await root.exec(['sh', '-c', `echo ${line} >>/etc/courier/${service}`])
  const starts = settings.map(([service]) => `${service} start`)
  const script = ['mkdir -p /run/courier/authdaemon', 'authdaemond start', ...starts].join('\n')
  return startServers(
    lab,
    root,
    script,
    Object.values(ports).map((port) => ({ port })),
  )
}
