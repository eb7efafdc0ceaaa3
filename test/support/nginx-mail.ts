// The real nginx mail proxy in front of another server, with its own web server as the one that it asks about users.
import { startServers } from './background-servers.ts'
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts'
import type { ChrootProcess } from './chroot-process.ts'
import { LAB_PASSWORD, LAB_USERS } from './dovecot.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS } from './netns.ts'

/** Where the server behind a proxy listens, on the mail host's IPv4 address. */
export interface Backend {
  readonly pop3Port: number
  readonly imapPort: number
}

/** The running proxy: ports 110, 143, 993 and 995, since nothing else in its lines tells the service. */
interface NginxMail extends ChrootProcess {
  /** Its error log on the host; the same lines go to syslog. */
  readonly ownLog: string
}

/** Starts nginx on these ports of both families. */
export async function startNginxMail(lab: Lab, backend: Backend): Promise<NginxMail> {
  const root = await lab.root('proxies', 'nginx')
  const ownLog = `${lab.shared}/log/nginx-error.log`
  await root.write('/etc/nginx/nginx.conf', configuration(backend, ownLog))
  const process = await startServers(lab, root, "exec nginx -g 'daemon off;'", [{ port: 110 }, { port: 993 }])
  return { ...process, ownLog }
}

// nginx asks with the password in percent encoding.
function configuration(backend: Backend, ownLog: string): string {
  const known = LAB_USERS.map((user) => `    "${encodeURIComponent(user)}:${encodeURIComponent(LAB_PASSWORD)}" OK;`)
  const server = (protocol: 'pop3' | 'imap', port: number, tls = '') => `  server {
    listen ${port}${tls};
    listen [::]:${port} ipv6only=on${tls};
    protocol ${protocol};
  }`
  return `include /etc/nginx/modules-enabled/*.conf;
error_log ${ownLog} info;
error_log syslog:server=unix:/dev/log,facility=mail info;
events {}
http {
  access_log off;
  map "$http_auth_user:$http_auth_pass" $verdict {
    default "Invalid login or password";
${known.join('\n')}
  }
  map $http_auth_protocol $backend_port {
    pop3 ${backend.pop3Port};
    imap ${backend.imapPort};
  }
  server {
    listen 127.0.0.1:9000;
    location / {
      add_header Auth-Status $verdict;
      add_header Auth-Server ${SERVER_ADDRESS};
      add_header Auth-Port $backend_port;
      return 204;
    }
  }
}
mail {
  auth_http 127.0.0.1:9000/;
  server_name mx.example.net;
  ssl_certificate ${CERTIFICATE};
  ssl_certificate_key ${CERTIFICATE_KEY};
  starttls on;
${server('pop3', 110)}
${server('imap', 143)}
${server('pop3', 995, ' ssl')}
${server('imap', 993, ' ssl')}
}
`
}
