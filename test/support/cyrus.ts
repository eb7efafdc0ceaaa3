// The real Cyrus IMAP: imapd and pop3d under its master, with users in a SASL database and mailboxes made at the first login.
import { startServers } from './background-servers.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts'
import type { ChrootProcess } from './chroot-process.ts'
import { LAB_PASSWORD } from './dovecot.ts'
import type { Lab } from './lab.ts'
import { MAIL_HOST } from './overlay-root.ts'
import { SYSTEM_USERS } from './system-users.ts'

/** Starts Cyrus with Debian's settings, which log through syslog as `cyrus/imap` and `cyrus/pop3`. */
export async function startCyrus(
  lab: Lab,
  ports: { readonly pop3: number; readonly imap: number },
): Promise<ChrootProcess> {
  const root = await lab.root('cyrus')
  await root.write('/etc/cyrus.conf', services(ports))
  // Debian's setting refuses whoever logs in a second time within a minute.
  const edit = `s/^popminpoll:.*/popminpoll: 0/; $ a servername: ${MAIL_HOST}\\ntls_server_cert: ${CERTIFICATE}\\ntls_server_key: ${CERTIFICATE_KEY}`
  await root.exec(['sed', '-i', edit, '/etc/imapd.conf'])
  for (const user of SYSTEM_USERS) {
    await root.exec(['saslpasswd2', '-p', '-c', '-u', MAIL_HOST, user], { input: LAB_PASSWORD })
  }
  await root.exec(['chown', 'cyrus', '/etc/sasldb2'])
  await root.exec(['usermod', '--append', '--groups', 'ssl-cert', 'cyrus'])
  const script = `install -d -o cyrus -g mail /run/cyrus /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket
exec cyrmaster`
  return startServers(lab, root, script, [{ port: ports.pop3 }, { port: ports.imap }])
}

function services(ports: { readonly pop3: number; readonly imap: number }): string {
  return `START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="${ports.imap}" prefork=0 maxchild=20
  pop3 cmd="pop3d -U 30" listen="${ports.pop3}" prefork=0 maxchild=20
}
EVENTS {
  checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30
}
`
}
