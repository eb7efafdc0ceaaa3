/** The options of an entry `whoson` of `sources`: who may say LOGIN and LOGOUT must prove who he is, so there is no plain port. */
import type { ProvenConfig } from './config.ts'
import { provenReceiverOf, receiverMembers, receiverShape } from './receiver-shape.ts'
import type { Shape } from './shapes.ts'

/** Where whosond listens, as far as it is told. */
const DEFAULT_PORT = 9876

/** The options of `whoson` in an entry of `sources`. */
export const whosonMembers = receiverMembers({
  transports: ['unix', 'tls'],
  says: 'How servers reach it: `unix` (who they are is told by mode and group) or `tls` (by client certificates).',
  group: 'the POP3 and IMAP server',
  inet: '`tls`',
  port: { default: DEFAULT_PORT, says: '' },
  connections: 'Most connections at a time.',
})

/** Where LOGIN and LOGOUT are taken. */
export const whoson: Shape<ProvenConfig> = receiverShape<ProvenConfig>(whosonMembers, {
  kind: 'the options of a receiver, at least `transport: unix` (or tls)',
  missing: 'has no transport; add `transport: unix` (or tls)',
  receiverOf: (read) => provenReceiverOf(read, DEFAULT_PORT),
})
