/** The options of an entry `dovecot_reports` of `sources`. What can grant carries a secret, or comes by a socket that only its group may write to. */

import type { ReportsConfig } from './config.ts'
import { type ListenAt, listenAt, unixSocketOf } from './listen-shape.ts'
import { type Member, record } from './members.ts'
import { type Fault, Faults } from './problem.ts'
import { absolutePath, fileMode, groupName, type Shape, socketPath } from './shapes.ts'

/** The options of `dovecot_reports`. */
export const reportMembers = {
  listen: {
    shape: listenAt('127.0.0.1:8025'),
    default: '',
    says: 'Where Dovecot posts its reports by HTTP; needs `secret_file`.',
  },
  secret_file: {
    shape: absolutePath,
    default: '',
    says: 'File with the secret that every request must carry: one line, readable by its owner and group only; read at the start.',
  },
  socket: {
    shape: socketPath,
    default: '',
    says: 'Unix stream socket for events as JSON lines (Dovecot 2.4).',
  },
  mode: {
    shape: fileMode,
    default: '"0660"',
    says: 'Rights of the socket; whoever may write to it can open the relay.',
  },
  group: {
    shape: groupName,
    default: 'null',
    says: "Group of the socket, that of Dovecot's stats process; null is the daemon's own group.",
  },
} as const satisfies Record<string, Member>

const KIND = 'the options `listen` and `secret_file`, or `socket`'
const anyReports = record<Readonly<Record<string, unknown>>>(reportMembers, KIND, [])

/** Where reports are taken: by HTTP, by a Unix socket, or both. */
export const dovecotReports: Shape<ReportsConfig> = {
  ...anyReports,
  kind: 'options of login reports',
  read(raw) {
    const read = anyReports.read(raw)
    if (read instanceof Faults) return new Faults(read.list.map(withoutSecret))
    const faults = faultsOf(read)
    return faults.length > 0 ? new Faults(faults) : reportsOf(read)
  },
}

/** What was tried with `secret` is meant for a file: a configuration is shown around. */
function withoutSecret(fault: Fault): Fault {
  if (fault.at[0] !== 'secret') return fault
  return {
    ...fault,
    text: 'a secret does not stand in the configuration; write it to a file, and name that with secret_file',
  }
}

function faultsOf(read: Readonly<Record<string, unknown>>): Fault[] {
  const has = (name: keyof typeof reportMembers) => name in read
  const at = (name: keyof typeof reportMembers, text: string, ofKey = true): Fault => ({ at: [name], text, ofKey })
  const faults: Fault[] = []
  if (!has('listen') && !has('socket') && !has('secret_file'))
    faults.push({
      at: [],
      text: `takes no reports; add \`listen: 127.0.0.1:8025\` and \`secret_file: FILE\`, or \`socket: PATH\``,
    })
  if (has('listen') && !has('secret_file'))
    faults.push(
      at('listen', 'has no secret, so everybody who reaches it could open the relay; add `secret_file: FILE`'),
    )
  if (has('secret_file') && !has('listen'))
    faults.push(at('secret_file', 'is for HTTP only; add `listen`, or take it out'))
  for (const name of ['mode', 'group'] as const)
    if (has(name) && !has('socket')) faults.push(at(name, 'is that of the Unix socket; add `socket`, or take it out'))
  return faults
}

function reportsOf(read: Readonly<Record<string, unknown>>): ReportsConfig {
  const http = read.listen as ListenAt | undefined
  return {
    http: http === undefined ? undefined : { ...http, secretFile: read.secret_file as string },
    socket: read.socket === undefined ? undefined : unixSocketOf(read),
  }
}
