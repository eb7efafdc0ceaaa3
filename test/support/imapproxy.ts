// The real up-imapproxy in front of another server: it keeps connections that are logged in for the next session of the same user.
import { startServers } from './background-servers.ts'
import type { ChrootProcess } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS } from './netns.ts'
import type { Backend } from './nginx-mail.ts'

/** Starts up-imapproxy, which logs through syslog as `in.imapproxyd`. */
export async function startImapproxy(lab: Lab, port: number, backend: Backend): Promise<ChrootProcess> {
  const root = await lab.root('proxies', 'imapproxy')
  await root.write('/etc/imapproxy.conf', configuration(port, backend))
  await root.exec(['mkdir', '-p', '/var/lib/imapproxy/chroot'])
  return startServers(lab, root, 'imapproxyd -f /etc/imapproxy.conf', [{ port }])
}

function configuration(port: number, backend: Backend): string {
  return `server_hostname ${SERVER_ADDRESS}
server_port ${backend.imapPort}
connect_retries 10
connect_delay 5
listen_address ::
listen_port ${port}
cache_size 3072
cache_expiration_time 300
proc_username nobody
proc_groupname nogroup
stat_filename /run/pimpstats
protocol_log_filename /var/log/imapproxy_protocol.log
syslog_facility LOG_MAIL
send_tcp_keepalives no
enable_select_cache no
foreground_mode yes
force_tls no
enable_admin_commands no
`
}
