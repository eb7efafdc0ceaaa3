/**
 * What `table-popauthd` asks, the program that smtpd of OpenSMTPD runs: lines of smtpd's own table protocol (smtpd-tables(7)), here only its
 * requests. Its handshake is the program's.
 */
import { parseClientAddress } from '../../core/client-address.ts'
import type { Answers, Lookup, Protocol, ProtocolSession } from '../responder.ts'
import {
  LineCutter,
  type Outcome,
  parseRequest,
  replyLine,
  settledOutcome,
  type TableRequest,
  tableOutcome,
} from './table-lines.ts'

/** The protocol. A line that is no request ends the connection. */
export const opensmtpdProtocol: Protocol = {
  name: 'opensmtpd',
  session: (lookup) => new OpensmtpdSession(lookup),
}

class OpensmtpdSession implements ProtocolSession {
  readonly #lines = new LineCutter()
  readonly #lookup: Lookup

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get partial(): boolean {
    return this.#lines.partial
  }

  push(chunk: Buffer): Answers {
    let answers = ''
    let requests = 0
    for (const line of this.#lines.push(chunk.toString('latin1'))) {
      const request = parseRequest(line)
      if (request === undefined) return { answers, requests, isOver: true }
      requests++
      answers += replyLine(request, settledOutcome(request) ?? this.#judge(request))
    }
    return { answers, requests, isOver: false }
  }

  #judge(request: TableRequest): Outcome {
    const address = parseClientAddress(unbracketed(request.key))
    if (address === undefined) return 'not-found'
    const verdict = this.#lookup(address)
    if (verdict === undefined) return 'error|the table of authorizations is not loaded yet'
    return tableOutcome(request, verdict.authorized)
  }
}

/** smtpd has IPv6 addresses in brackets, IPv4 ones never. */
function unbracketed(key: string): string {
  return key.startsWith('[') && key.includes(':') ? key.slice(1, -1) : key
}
