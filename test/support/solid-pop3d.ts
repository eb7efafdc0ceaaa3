// The real Solid POP3 server of Debian, started for each connection by inetd.
import { startServers } from './background-servers.ts'
import type { ChrootProcess } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { addSystemUsers } from './system-users.ts'

/** Starts inetd with solid-pop3d on both families. It logs through syslog. */
export async function startSolidPop3d(lab: Lab, port: number): Promise<ChrootProcess> {
  const root = await lab.root('solidPop3d')
  await addSystemUsers(root)
  const service = (protocol: string) => `${port} stream ${protocol} nowait root /usr/sbin/solid-pop3d solid-pop3d\n`
  await root.write('/etc/inetd.conf', service('tcp4') + service('tcp6'))
  return startServers(lab, root, 'exec inetd -i', [{ port }])
}
