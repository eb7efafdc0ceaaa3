// The real Perdition as a POP3 and an IMAP proxy in front of another server.
import { startServers } from './background-servers.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts'
import type { ChrootProcess } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import type { Backend } from './nginx-mail.ts'

/** Where Perdition listens. */
interface PerditionPorts {
  readonly pop3: number
  readonly imap: number
  readonly imaps: number
}

/** Starts one Perdition for each protocol, with STARTTLS where it is not encrypted. They log through syslog, or both into the file `ownLog` (a path that all roots share). */
export async function startPerdition(
  lab: Lab,
  ports: PerditionPorts,
  backend: Backend,
  ownLog?: string,
): Promise<ChrootProcess> {
  const root = await lab.root('proxies', `perdition${ports.pop3}`)
  const log = ownLog ?? 'mail'
  // It writes as `nobody`, and only into a file that exists.
  if (ownLog !== undefined) await root.exec(['install', '-m', '0666', '/dev/null', ownLog])
  const script = `${command('POP3', ports.pop3, backend.pop3Port, log)}
${command('IMAP4', ports.imap, backend.imapPort, log)}
${command('IMAP4S', ports.imaps, backend.imapPort, log)}`
  return startServers(
    lab,
    root,
    script,
    Object.values(ports).map((port) => ({ port })),
  )
}

// Where it leaves the foreground it closes its own log file.
function command(protocol: string, port: number, backendPort: number, log: string): string {
  const place = `--listen_port ${port} --bind_address '${SERVER_ADDRESS},[${SERVER_ADDRESS6}]'`
  const listen = `--protocol ${protocol} ${place} --pid_file /run/perdition-${port}.pid --log_facility ${log}`
  const out = `--outgoing_server ${SERVER_ADDRESS} --outgoing_port ${backendPort} --map_library ''`
  const files = `--ssl_cert_file ${CERTIFICATE} --ssl_key_file ${CERTIFICATE_KEY}`
  const tls = `--ssl_mode ${protocol === 'IMAP4S' ? 'ssl' : 'tls'}_listen ${files}`
  return `perdition --config_file /dev/null ${listen} ${out} ${tls} --no_lookup --no_daemon &`
}
