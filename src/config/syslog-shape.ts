/** The options of a syslog receiver, and which of them belong to which transport. What can grant must prove who sends: docs/syslog.md. */
import type { SyslogConfig } from './config.ts'
import type { Member } from './members.ts'
import { provenReceiverOf, receiverMembers, receiverShape } from './receiver-shape.ts'
import { type Shape, truth } from './shapes.ts'

const DEFAULT_PORT = 6514

/** The options of `syslog` in an entry of `sources`. */
export const syslogMembers = {
  ...receiverMembers({
    transports: ['unix', 'tls', 'tcp', 'udp'],
    says: 'How senders reach it; only `unix` (by mode and group) and `tls` (by client certificates) know who sends.',
    group: 'the syslog daemon',
    inet: '`tls`, `tcp`, `udp`',
    port: { default: DEFAULT_PORT, says: '; only `tls` has a default' },
    connections: '`unix`, `tls`, `tcp`: most senders at a time; each may take up to 200 KiB of memory.',
  }),
  trust_unauthenticated: {
    shape: truth,
    default: 'false',
    says: '`tcp`, `udp`: must be true there, and means: whoever can send a packet to this port, local users included, can open the relay to any address.',
  },
} as const satisfies Record<string, Member>

const PLAIN = ['transport', 'address', 'port', 'trust_unauthenticated']

/** A receiver; what its transport does not know, or lacks, is a fault. */
export const syslog: Shape<SyslogConfig> = receiverShape<SyslogConfig>(syslogMembers, {
  kind: 'the options of a receiver, at least `transport: unix` (or tls, tcp, udp)',
  missing: 'has no transport; add `transport: unix` (or tls, tcp, udp)',
  others: {
    tcp: { known: [...PLAIN, 'max_connections'], required: ['port'] },
    udp: { known: PLAIN, required: ['port'] },
  },
  refusal: ({ transport, trust_unauthenticated }) =>
    (transport === 'tcp' || transport === 'udp') && trust_unauthenticated !== true ? refusal(transport) : undefined,
  receiverOf(read) {
    const { transport, address = '127.0.0.1', port, max_connections = 100 } = read
    if (transport !== 'tcp' && transport !== 'udp') return provenReceiverOf(read, DEFAULT_PORT)
    return {
      transport,
      address: address as string,
      port: port as number,
      maxConnections: max_connections as number,
    }
  },
})

function refusal(transport: string): string {
  return (
    `plain ${transport} does not tell who sends, and neither loopback nor a sender's address proves it: whoever reaches the port could ` +
    'write a login and open the relay; use transport unix or tls, or write `trust_unauthenticated: true` if that risk is wanted'
  )
}
