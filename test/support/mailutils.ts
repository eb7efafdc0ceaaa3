// The real pop3d and imap4d of GNU Mailutils. They tell no address with a login.
import { startServers } from './background-servers.ts'
import type { ChrootProcess } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { addSystemUsers } from './system-users.ts'

/** Starts both daemons on IPv4, with passwords from the shadow file. They log through syslog. */
export async function startMailutils(
  lab: Lab,
  ports: { readonly pop3: number; readonly imap: number },
): Promise<ChrootProcess> {
  const root = await lab.root('mailutils')
  await addSystemUsers(root)
  for (const [program, port] of [
    ['pop3d', ports.pop3],
    ['imap4d', ports.imap],
  ] as const) {
    await root.write(`/etc/${program}-lab.conf`, `logging { facility mail; syslog yes; }\nserver 0.0.0.0:${port} {}\n`)
  }
  const start = (program: string) => `${program} --config-file=/etc/${program}-lab.conf --daemon --foreground &`
  return startServers(lab, root, `${start('pop3d')}\n${start('imap4d')}`, [
    { port: ports.pop3, families: [4] },
    { port: ports.imap, families: [4] },
  ])
}
