/**
 * Exim's `${readsocket{...}}` (spec, "Expansion items"): Exim connects, sends `check ADDRESS`, shuts its side down, and reads until the
 * connection is closed. The answer is `OK`, `NO` or `DEFER`, without a line end.
 */
import { parseClientAddress } from '../../core/client-address.ts'
import type { Answers, Lookup, Protocol, ProtocolSession } from '../responder.ts'

/** Longest request, bytes. */
const MAX_REQUEST_BYTES = 256
const REQUEST = /^check ([0-9A-Fa-f.:]{2,45})$/

/** The protocol. A request that is none is answered with NO. */
export const readsocketProtocol: Protocol = {
  name: 'readsocket',
  isOneShot: true,
  session: (lookup) => new ReadsocketSession(lookup),
}

class ReadsocketSession implements ProtocolSession {
  readonly #lookup: Lookup
  #held = ''

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get partial(): boolean {
    return this.#held !== ''
  }

  push(chunk: Buffer): Answers {
    this.#held += chunk.toString('latin1', 0, MAX_REQUEST_BYTES + 1)
    const end = this.#held.indexOf('\n')
    if (end >= 0) return { answers: this.#answer(this.#held.slice(0, end)), requests: 1, isOver: true }
    return { answers: '', requests: 0, isOver: this.#held.length > MAX_REQUEST_BYTES }
  }

  /** Exim need not send a line end: the end of its side ends the request too. */
  end(): Answers {
    if (this.#held === '') return { answers: '', requests: 0, isOver: true }
    return { answers: this.#answer(this.#held), requests: 1, isOver: true }
  }

  #answer(line: string): string {
    const address = parseClientAddress(REQUEST.exec(line.replace(/\r$/, ''))?.[1] ?? '')
    if (address === undefined) return 'NO'
    const verdict = this.#lookup(address)
    if (verdict === undefined) return 'DEFER'
    return verdict.authorized ? 'OK' : 'NO'
  }
}
