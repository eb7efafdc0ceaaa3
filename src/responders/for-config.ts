/** From an entry of the configuration to the responder that serves it. */
import type { LookupConfig } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import { DatagramServer } from './datagram-server.ts'
import { opensmtpdProtocol } from './opensmtpd/protocol.ts'
import { policyProtocol, type RelayDecision } from './policy/protocol.ts'
import { readsocketProtocol } from './readsocket/protocol.ts'
import type { Lookup, Protocol, Responder } from './responder.ts'
import { ResponderServer } from './responder-server.ts'
import { socketmapProtocol } from './socketmap/protocol.ts'
import { whosonProtocol } from './whoson/protocol.ts'

/** What the responders of a daemon share. */
interface ResponderParts {
  readonly lookup: Lookup
  readonly clock: Clock
  /** Told of each answer that let a client relay, where the protocol tells of the message. */
  readonly onRelay: (decision: RelayDecision) => void
}

/** The responder of an entry of `lookups`; it is named by its protocol and place. */
export function responderFor({ protocol, at, udp, maxConnections }: LookupConfig, parts: ResponderParts): Responder {
  const { lookup, clock } = parts
  const place = 'path' in at ? at.path : `${at.address} port ${at.port}`
  const served = protocolOf(protocol, parts)
  if (udp && 'port' in at && served.datagram !== undefined) {
    const { datagram } = served
    return new DatagramServer({ protocol: { ...served, datagram, name: `${protocol} udp ${place}` }, at, lookup })
  }
  return new ResponderServer({
    protocol: { ...served, name: `${protocol} ${place}` },
    at,
    maxConnections,
    lookup,
    clock,
  })
}

function protocolOf(protocol: LookupConfig['protocol'], { onRelay }: ResponderParts): Protocol {
  if (protocol === 'policy') return policyProtocol(onRelay)
  if (protocol === 'opensmtpd') return opensmtpdProtocol
  if (protocol === 'whoson') return whosonProtocol
  return protocol === 'readsocket' ? readsocketProtocol : socketmapProtocol(protocol)
}
