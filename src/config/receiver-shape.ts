/** What listens for senders and knows who they are: the options of a Unix socket or of TLS with client certificates, and which belong to which. */
import { parseClientAddress } from '../core/client-address.ts'
import type { ProvenConfig } from './config.ts'
import { listOf } from './list-of.ts'
import { unixSocketOf } from './listen-shape.ts'
import { type Member, record, refined } from './members.ts'
import { fault } from './problem.ts'
import { absolutePath, fileMode, groupName, integer, oneOf, type Shape, socketPath } from './shapes.ts'

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

/** How a kind of receiver differs in its words. */
interface MemberWords<T extends string> {
  readonly transports: readonly T[]
  readonly says: string
  /** Whose group the socket should have. */
  readonly group: string
  /** Transports that have an address: `` `tls`, `tcp` ``. */
  readonly inet: string
  readonly port: { readonly default: number; readonly says: string }
  /** Transports that have connections, and what each of these costs. */
  readonly connections: string
}

/** The options of a receiver, for the reference. */
export function receiverMembers<const T extends string>(words: MemberWords<T>) {
  return {
    transport: { shape: oneOf(words.transports), default: '', says: words.says },
    socket: { shape: socketPath, default: '', says: '`unix`: path of the stream socket.' },
    mode: {
      shape: fileMode,
      default: '"0660"',
      says: '`unix`: rights of the socket; whoever may write to it can open the relay.',
    },
    group: {
      shape: groupName,
      default: 'null',
      says: `\`unix\`: group of the socket, that of ${words.group}; null is the daemon's own group.`,
    },
    address: { shape: address, default: '127.0.0.1', says: `${words.inet}: the address to listen on.` },
    port: {
      shape: integer(1, 65_535),
      default: String(words.port.default),
      says: `${words.inet}: the port${words.port.says}.`,
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
    max_connections: { shape: integer(1, 10_000), default: '100', says: words.connections },
  } as const satisfies Record<string, Member>
}

type Name = keyof ReturnType<typeof receiverMembers>
type Read = Readonly<Record<string, unknown>>

/** Options by transport: those that it knows, and those that it needs. */
const OF_TRANSPORT: Readonly<Record<ProvenConfig['transport'], readonly Name[]>> = {
  unix: ['transport', 'socket', 'mode', 'group', 'max_connections'],
  tls: ['transport', 'address', 'port', 'certificate', 'key', 'client_ca', 'client_names', 'max_connections'],
}
const REQUIRED: Readonly<Record<ProvenConfig['transport'], readonly Name[]>> = {
  unix: ['socket'],
  tls: ['certificate', 'key', 'client_ca'],
}
const WHAT_FOR: Readonly<Record<string, string>> = {
  client_ca:
    'has no client_ca: without certificates of the senders anybody could open the relay; add `client_ca: FILE`, the authority that signed them',
}

/** Which options a transport knows, and which of them it needs. */
interface Rule {
  readonly known: readonly string[]
  readonly required: readonly string[]
}

/** What a kind of receiver adds to the two transports that prove who sends. */
interface ReceiverRules<T> {
  readonly kind: string
  readonly missing: string
  readonly others?: Readonly<Record<string, Rule>>
  /** A fault of the transport itself. */
  readonly refusal?: (read: Read) => string | undefined
  readonly receiverOf: (read: Read) => T
}

/** A receiver; what its transport does not know, or lacks, is a fault. */
export function receiverShape<T>(members: Readonly<Record<string, Member>>, rules: ReceiverRules<T>): Shape<T> {
  const any = record<Read>(members, rules.kind, ['transport'], { transport: rules.missing })
  const allFaultsOf = (read: Read) => {
    const transport = read.transport as ProvenConfig['transport']
    const rule = rules.others?.[transport] ?? { known: OF_TRANSPORT[transport], required: REQUIRED[transport] }
    const refusal = rules.refusal?.(read)
    return [
      ...faultsOf(transport, rule, read),
      ...(refusal === undefined ? [] : [{ at: ['transport'], text: refusal, ofKey: false }]),
    ]
  }
  return refined(any, 'options of a receiver', allFaultsOf, rules.receiverOf)
}

function faultsOf(transport: string, { known, required }: Rule, read: Read) {
  const foreign = Object.keys(read).filter((name) => !known.includes(name))
  const missing = required.filter((name) => !(name in read))
  return [
    ...foreign.map((name) => ({
      at: [name],
      text: `transport ${transport} has no such option; take it out`,
      ofKey: true,
    })),
    ...missing.map((name) => ({
      at: [],
      text: WHAT_FOR[name] ?? `has no ${name}; transport ${transport} needs one`,
      ofKey: false,
    })),
  ]
}

/** A receiver over a Unix socket or TLS, of options that have been read. */
export function provenReceiverOf(read: Read, defaultPort: number): ProvenConfig {
  const value = <T>(name: Name, otherwise: T) => (name in read ? (read[name] as T) : otherwise)
  const maxConnections = value('max_connections', 100)
  if (read.transport === 'unix') return { transport: 'unix', ...unixSocketOf(read), maxConnections }
  const place = { address: value('address', '127.0.0.1'), port: value('port', defaultPort) }
  const files = { certificate: value('certificate', ''), key: value('key', ''), clientCa: value('client_ca', '') }
  return { transport: 'tls', ...place, ...files, clientNames: value('client_names', []), maxConnections }
}
