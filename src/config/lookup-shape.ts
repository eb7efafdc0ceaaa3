/** The entries of `lookups`: sockets on which MTAs ask who may relay. They answer and grant nothing. */
import type { LookupConfig } from './config.ts'
import { listOf } from './list-of.ts'
import { type ListenAt, listenAt, unixSocketOf } from './listen-shape.ts'
import { type Member, record, refined } from './members.ts'
import type { Fault } from './problem.ts'
import { fileMode, groupName, integer, oneOf, socketPath } from './shapes.ts'

/** What an MTA may speak. */
const lookupProtocols = ['socketmap', 'policy', 'readsocket', 'opensmtpd', 'whoson'] as const

/** The options of each entry of `lookups`. */
export const lookupMembers = {
  protocol: {
    shape: oneOf([...lookupProtocols]),
    default: '',
    says: "`socketmap` (Postfix's map `postfix`, sendmail's `popauth`), `policy` (Postfix's check_policy_service), `readsocket` (Exim), `opensmtpd` (its table program, `table-popauthd`) or `whoson` (QUERY; [whoson.md](whoson.md)).",
  },
  socket: {
    shape: socketPath,
    default: '',
    says: 'Unix socket to answer on. For a chrooted Postfix it lies in its queue directory: /var/spool/postfix/popauthd/map.sock.',
  },
  mode: {
    shape: fileMode,
    default: '"0660"',
    says: 'Rights of the socket. It grants nobody anything; who may open it can ask, and take up its connections.',
  },
  group: {
    shape: groupName,
    default: 'null',
    says: "Group of the socket: that of the MTA's processes; null is the daemon's own group.",
  },
  listen: {
    shape: listenAt('127.0.0.1:10040'),
    default: '',
    says: 'Address and port to answer on, in place of `socket`. Whoever reaches it can ask which addresses may relay.',
  },
  transport: {
    shape: oneOf(['tcp', 'udp']),
    default: 'tcp',
    says: '`listen`: what the port is of. `udp` is for `whoson` only.',
  },
  max_connections: {
    shape: integer(1, 65_536),
    default: '1000',
    says: 'Most connections at a time; each process of the MTA keeps one open.',
  },
} as const satisfies Record<string, Member>

type Read = Readonly<Record<string, unknown>>

const anyLookup = record<Read>(lookupMembers, 'a mapping with `protocol` and `socket`', ['protocol'])

const lookup = refined(anyLookup, 'lookup socket', faultsOf, lookupOf)

function faultsOf(read: Read): Fault[] {
  const has = (name: keyof typeof lookupMembers) => name in read
  const ofKey = (name: keyof typeof lookupMembers, text: string): Fault => ({ at: [name], text, ofKey: true })
  if (!has('socket') && !has('listen'))
    return [{ at: [], text: 'answers nowhere; add `socket: PATH` or `listen: 127.0.0.1:10040`' }]
  if (has('socket') && has('listen')) return [ofKey('listen', 'stands beside socket; make two entries')]
  const isUdp = read.transport === 'udp'
  return [
    ...(['mode', 'group'] as const)
      .filter((name) => has(name) && !has('socket'))
      .map((name) => ofKey(name, 'is that of a Unix socket; add `socket`, or take it out')),
    ...(has('transport') && has('socket') ? [ofKey('transport', 'is that of a port; take it out')] : []),
    ...(isUdp && read.protocol !== 'whoson'
      ? [ofKey('transport', `${read.protocol} knows no datagrams; take it out`)]
      : []),
    ...(isUdp && has('max_connections') ? [ofKey('max_connections', 'UDP has no connections; take it out')] : []),
  ]
}

function lookupOf(read: Read): LookupConfig {
  const listen = read.listen as ListenAt | undefined
  return {
    protocol: read.protocol as LookupConfig['protocol'],
    at: listen === undefined ? unixSocketOf(read) : { address: listen.host, port: listen.port },
    ...(read.transport === 'udp' ? { udp: true } : {}),
    maxConnections: (read.max_connections as number | undefined) ?? 1000,
  }
}

/** The sockets on which MTAs ask. */
export const lookups = listOf(lookup, 'entries with `protocol` and `socket` or `listen`')
