// Real mail clients, run from a client host of the laboratory: curl, mpop and fetchmail log in, swaks sends.
import { isolated } from './chroot-process.ts'
import { LAB_PASSWORD } from './dovecot.ts'
import type { Lab } from './lab.ts'
import { inHost, type LabHost, SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import { type RunResult, run } from './run.ts'

/** Who logs in, by which protocol, from where. `server` defaults to the laboratory's, in the family of `from`. */
interface LoginOptions {
  readonly protocol?: 'pop3' | 'imap'
  readonly user?: string
  readonly password?: string
  readonly port?: number
  readonly server?: string
  /** One of the client's addresses; by default its first one. mpop and fetchmail always use that. */
  readonly from?: string
  /** Only curl: TLS from the first byte, or asked for; any certificate will do. */
  readonly tls?: 'implicit' | 'starttls' | 'none'
}

/** Logs in with curl and lists the mailbox. Exit code 0: logged in, 67: refused. */
export function curlLogin(lab: Lab, client: LabHost, options: LoginOptions = {}): Promise<RunResult> {
  const { protocol, user, password, port, server, from, tls } = complete(client, options)
  const host = server.includes(':') ? `[${server}]` : server
  const list = protocol === 'imap' ? ['--request', 'EXAMINE INBOX'] : []
  const url = `${protocol}${tls === 'implicit' ? 's' : ''}://${host}:${port}/`
  const secured = tls === 'starttls' ? ['--ssl-reqd'] : []
  const common = [
    '--silent',
    '--show-error',
    '--insecure',
    ...secured,
    '--max-time',
    '20',
    '--interface',
    `host!${from}`,
  ]
  return clientProgram(lab, client, ['curl', ...common, '--user', `${user}:${password}`, ...list, url])
}

/** Fetches by POP3 with mpop and leaves the mail there. Exit code 0: logged in, 77: refused. */
export function mpopLogin(lab: Lab, client: LabHost, options: LoginOptions = {}): Promise<RunResult> {
  const { user, password, port, server } = complete(client, options)
  const account = ['--host', server, '--port', String(port), '--user', user, '--auth=user', '--tls=off', '--keep=on']
  const command = `exec mpop "$@" --passwordeval "printf %s '${password}'" --delivery=mbox,/dev/null`
  return clientProgram(lab, client, ['sh', '-c', command, 'mpop', ...account])
}

/** Polls with fetchmail. Exit code 0: mail fetched, 1: logged in and no mail, 3: refused. */
export function fetchmailLogin(lab: Lab, client: LabHost, options: LoginOptions = {}): Promise<RunResult> {
  const { protocol, user, password, port, server } = complete(client, options)
  const poll = `poll "${server}" protocol ${protocol} port ${port} auth password user "${user}" password "${password}" sslproto "" keep mda "cat >/dev/null"`
  const command = 'umask 077; cat >/root/.fetchmailrc && exec fetchmail --nosyslog --pidfile /tmp/fetchmail.pid'
  return clientProgram(lab, client, ['sh', '-c', command], `${poll}\n`)
}

/** What swaks sends. */
interface SendOptions {
  readonly to: string
  readonly envelopeFrom?: string
  readonly server?: string
  readonly from?: string
  /** Further options of swaks, for instance `['--helo', 'x']`. */
  readonly extra?: readonly string[]
}

/** Sends one message with swaks. Exit code 0: accepted, 24: recipient refused; the dialogue is in stdout. */
export function swaksSend(lab: Lab, client: LabHost, options: SendOptions): Promise<RunResult> {
  const from = options.from ?? client.addresses[0] ?? ''
  const server = options.server ?? serverFor(from)
  const envelope = ['--to', options.to, '--from', options.envelopeFrom ?? 'roaming@example.org']
  const wire = ['--server', server, '--local-interface', from, '--helo', 'client.example.org']
  return clientProgram(lab, client, ['swaks', ...wire, ...envelope, '--timeout', '20', ...(options.extra ?? [])])
}

async function clientProgram(
  lab: Lab,
  client: LabHost,
  commandLine: readonly string[],
  input = '',
): Promise<RunResult> {
  const root = await lab.root('clients')
  return run('ip', inHost(client, isolated(root.path, ['env', 'HOME=/root', ...commandLine])), { input })
}

function complete(client: LabHost, options: LoginOptions): Required<LoginOptions> {
  const from = options.from ?? client.addresses[0] ?? ''
  const protocol = options.protocol ?? 'pop3'
  const port = protocol === 'imap' ? 143 : 110
  const defaults = { protocol, user: 'alice', password: LAB_PASSWORD, port, tls: 'none' } as const
  return { ...defaults, server: serverFor(from), from, ...definedOnly(options) }
}

function definedOnly(options: LoginOptions): Partial<LoginOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function serverFor(address: string): string {
  return address.includes(':') ? SERVER_ADDRESS6 : SERVER_ADDRESS
}
