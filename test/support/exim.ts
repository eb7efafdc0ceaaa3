// The real Exim as the laboratory's mail host, with a configuration of its own.
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'

/** The running Exim. Port 25 on the server's addresses; local mail goes to /var/mail, mail for elsewhere stays in the queue. */
export interface EximServer extends MtaProcess {
  readonly root: OverlayRoot
}

/** Starts Exim with `relayAcl` (lines of the RCPT ACL that let a client relay) and waits until it answers on IPv4 and IPv6. */
export async function startExim(lab: Lab, relayAcl: string): Promise<EximServer> {
  const root = await lab.root('exim')
  await root.write('/etc/exim4/exim4.conf', configuration(relayAcl))
  for (const user of ['alice', 'bob']) await root.exec(['useradd', '--create-home', user])
  const process = await startMta(lab, root, ['exim4', '-bdf', '-q1h', '-C', '/etc/exim4/exim4.conf'])
  return { ...process, root }
}

function configuration(relayAcl: string): string {
  return `primary_hostname = ${MAIL_HOST}
domainlist local_domains = ${MAIL_HOST}
domainlist relay_to_domains =
hostlist relay_from_hosts = <; 127.0.0.1 ; ::1
local_interfaces = <; ${SERVER_ADDRESS} ; ${SERVER_ADDRESS6}
acl_smtp_rcpt = acl_check_rcpt
host_lookup =
rfc1413_query_timeout = 0s
queue_only
never_users =
log_file_path = /var/log/exim4/%slog

begin acl

acl_check_rcpt:
  accept hosts = +relay_from_hosts
  accept domains = +local_domains
${relayAcl}
  deny message = relay not permitted

begin routers

localuser:
  driver = accept
  domains = +local_domains
  check_local_user
  transport = local_delivery

begin transports

local_delivery:
  driver = appendfile
  file = /var/mail/$local_part_data

begin retry

* * F,2h,15m
`
}
