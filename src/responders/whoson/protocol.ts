/**
 * Whoson for those who ask ({@link ../../core/whoson.ts} has the reference): QUERY and QUIT. LOGIN and LOGOUT grant and end: they are taken where
 * it is known who sends them, by a source.
 */
import {
  readWhosonDatagram,
  type WhosonCommand,
  WhosonDecoder,
  type WhosonFault,
  whosonAnswer,
  whosonQueryAnswer,
} from '../../core/whoson.ts'
import type { Answers, Lookup, Protocol, ProtocolSession } from '../responder.ts'

const NOT_HERE = whosonAnswer('*', 'LOGIN and LOGOUT: at a whoson source only (docs/whoson.md)')

/** The protocol. A datagram that is no request is not answered: its sender's address may be somebody else's. */
export const whosonProtocol: Protocol = {
  name: 'whoson',
  session: (lookup) => new WhosonSession(lookup),
  datagram(datagram, lookup) {
    const request = readWhosonDatagram(datagram)
    return 'fault' in request ? undefined : answerOf(request, lookup)
  },
}

class WhosonSession implements ProtocolSession {
  readonly #decoder = new WhosonDecoder()
  readonly #lookup: Lookup

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get partial(): boolean {
    return this.#decoder.partial
  }

  push(chunk: Buffer): Answers {
    let answers = ''
    let requests = 0
    for (const request of this.#decoder.push(chunk)) {
      answers += answerOf(request, this.#lookup)
      requests++
      if (isLast(request)) return { answers, requests, isOver: true }
    }
    return { answers, requests, isOver: false }
  }
}

/** What breaks the frame of requests could be anything, another protocol among it. */
function isLast(request: WhosonCommand | WhosonFault): boolean {
  return 'fault' in request ? request.fault === 'broken' : request.verb === 'QUIT'
}

function answerOf(request: WhosonCommand | WhosonFault, lookup: Lookup): string {
  if ('fault' in request) return whosonAnswer('*', request.why)
  if (request.verb === 'QUERY') return whosonQueryAnswer(lookup(request.address))
  return request.verb === 'QUIT' ? whosonAnswer('+', 'bye') : NOT_HERE
}
