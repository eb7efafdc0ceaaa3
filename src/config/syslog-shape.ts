/** The options of a syslog receiver, and which of them belong to which transport. What can grant must prove who sends: docs/syslog.md. */
import { parseClientAddress } from '../core/client-address.ts'
import type { SyslogConfig } from './config.ts'
import { listOf } from './list-of.ts'
import { type Member, record } from './members.ts'
import { Faults, fault } from './problem.ts'
import { absolutePath, fileMode, groupName, integer, oneOf, type Shape, socketPath, truth } from './shapes.ts'

const address: Shape<string> = {
  kind: 'an IP address of this host, or "::" for all',
  schema: { type: 'string' },
  read(raw) {
    // Not the canonical form: :: and ::ffff:0.0.0.0 are two things to listen on.
    if (typeof raw === 'string' && parseClientAddress(raw) !== undefined) return raw
    return fault(raw, 'an IP address of this host, such as 192.0.2.25 or "2001:db8::25", or "::" for all')
  },
}

const clientName: Shape<string> = {
  kind: 'host name',
  schema: { type: 'string' },
  read(raw) {
    if (typeof raw === 'string' && raw.length <= 253 && /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(raw))
      return raw
    return fault(raw, 'a name that stands in the certificate of a sender, such as mail.example.net')
  },
}

const TRANSPORTS = ['unix', 'tls', 'tcp', 'udp'] as const
type Transport = (typeof TRANSPORTS)[number]

/** The options of `syslog` in an entry of `sources`. */
export const syslogMembers = {
  transport: {
    shape: oneOf(TRANSPORTS),
    default: '',
    says: 'How senders reach it; only `unix` (by mode and group) and `tls` (by client certificates) know who sends.',
  },
  socket: { shape: socketPath, default: '', says: '`unix`: path of the stream socket.' },
  mode: {
    shape: fileMode,
    default: '"0660"',
    says: '`unix`: rights of the socket; whoever may write to it can open the relay.',
  },
  group: {
    shape: groupName,
    default: 'null',
    says: "`unix`: group of the socket, that of the syslog daemon; null is the daemon's own group.",
  },
  address: { shape: address, default: '127.0.0.1', says: '`tls`, `tcp`, `udp`: the address to listen on.' },
  port: {
    shape: integer(1, 65_535),
    default: '6514',
    says: '`tls`, `tcp`, `udp`: the port; only `tls` has a default.',
  },
  certificate: {
    shape: absolutePath,
    default: '',
    says: '`tls`: file of the certificate that senders see, PEM, with its chain; read at the start.',
  },
  key: { shape: absolutePath, default: '', says: '`tls`: file of its private key, PEM.' },
  client_ca: {
    shape: absolutePath,
    default: '',
    says: '`tls`: file of the certificate authorities, PEM; a sender needs a certificate of one of them.',
  },
  client_names: {
    shape: listOf(clientName, 'host names'),
    default: '[]',
    says: '`tls`: names of the senders, as their certificates have them; empty lets in every certificate of `client_ca`.',
  },
  max_connections: {
    shape: integer(1, 10_000),
    default: '100',
    says: '`unix`, `tls`, `tcp`: most senders at a time; each may take up to 200 KiB of memory.',
  },
  trust_unauthenticated: {
    shape: truth,
    default: 'false',
    says: '`tcp`, `udp`: must be true there, and means: whoever can send a packet to this port, local users included, can open the relay to any address.',
  },
} as const satisfies Record<string, Member>

type Name = keyof typeof syslogMembers

const COMMON = ['transport'] as const
const OF_TRANSPORT: Readonly<Record<Transport, readonly Name[]>> = {
  unix: [...COMMON, 'socket', 'mode', 'group', 'max_connections'],
  tls: [...COMMON, 'address', 'port', 'certificate', 'key', 'client_ca', 'client_names', 'max_connections'],
  tcp: [...COMMON, 'address', 'port', 'max_connections', 'trust_unauthenticated'],
  udp: [...COMMON, 'address', 'port', 'trust_unauthenticated'],
}
const REQUIRED: Readonly<Record<Transport, readonly Name[]>> = {
  unix: ['socket'],
  tls: ['certificate', 'key', 'client_ca'],
  tcp: ['port'],
  udp: ['port'],
}
const WHAT_FOR: Partial<Record<Name, string>> = {
  client_ca:
    'has no client_ca: without certificates of the senders anybody could open the relay; add `client_ca: FILE`, the authority that signed them',
}

const KIND = 'the options of a receiver, at least `transport: unix` (or tls, tcp, udp)'
const anyReceiver = record<Readonly<Record<string, unknown>>>(syslogMembers, KIND, ['transport'], {
  transport: 'has no transport; add `transport: unix` (or tls, tcp, udp)',
})

/** A receiver; what its transport does not know, or lacks, is a fault. */
export const syslog: Shape<SyslogConfig> = {
  ...anyReceiver,
  kind: 'options of a receiver',
  read(raw) {
    const read = anyReceiver.read(raw)
    if (read instanceof Faults) return read
    const transport = read.transport as Transport
    const foreign = Object.keys(read).filter((name) => !OF_TRANSPORT[transport].includes(name as Name))
    const missing = REQUIRED[transport].filter((name) => !(name in read))
    const faults = [
      ...foreign.map((name) => ({
        at: [name],
        text: `transport ${transport} has no such option; take it out`,
        ofKey: true,
      })),
      ...missing.map((name) => ({
        at: [],
        text: WHAT_FOR[name] ?? `has no ${name}; transport ${transport} needs one`,
      })),
    ]
    if ((transport === 'tcp' || transport === 'udp') && read.trust_unauthenticated !== true)
      faults.push({ at: ['transport'], text: refusal(transport), ofKey: false })
    return faults.length > 0 ? new Faults(faults) : receiverOf(transport, read)
  },
}

function refusal(transport: string): string {
  return (
    `plain ${transport} does not tell who sends, and neither loopback nor a sender's address proves it: whoever reaches the port could ` +
    'write a login and open the relay; use transport unix or tls, or write `trust_unauthenticated: true` if that risk is wanted'
  )
}

function receiverOf(transport: Transport, read: Readonly<Record<string, unknown>>): SyslogConfig {
  const value = <T>(name: Name, otherwise: T) => (name in read ? (read[name] as T) : otherwise)
  const maxConnections = value('max_connections', 100)
  const place = { address: value('address', '127.0.0.1'), port: value('port', 6514) }
  if (transport === 'unix') {
    const socket = {
      path: value('socket', ''),
      mode: value('mode', 0o660),
      group: value<string | undefined>('group', undefined),
    }
    return { transport, ...socket, maxConnections }
  }
  if (transport === 'tls') {
    const files = { certificate: value('certificate', ''), key: value('key', ''), clientCa: value('client_ca', '') }
    return { transport, ...place, ...files, clientNames: value('client_names', []), maxConnections }
  }
  return { transport, ...place, maxConnections }
}
