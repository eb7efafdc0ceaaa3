/**
 * The socket map of sendmail (8.17, doc/op/op.me, "socket") and Postfix (socketmap_table(5)): each question and each answer is one netstring.
 * Leaves out `TIMEOUT` and `PERM`, which nothing here calls for. A bare `OK` crashes sendmail: none is ever said.
 */
import type { Verdict } from '../../core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../../core/client-address.ts'
import { encodeNetstring, NetstringDecoder } from '../../lib/netstring.ts'
import type { Answers, Lookup, Protocol, ProtocolSession } from '../responder.ts'

/** The longest request in bytes, as Postfix's own limit (socketmap_max_query_size). */
const MAX_REQUEST_BYTES = 10_000

/** What is said to a request. Each has a status word, a blank, and text. */
export const ANSWERS = {
  relay: 'OK RELAY',
  notFound: 'NOTFOUND ',
  notLoaded: 'TEMP the table of authorizations is not loaded yet',
} as const

/** How the keys of a map name spell a whole client address; undefined: the key is none. */
type KeyReader = (key: string) => ClientAddress | undefined

/** The maps that are answered, by the name on sendmail's `K` line or at the end of Postfix's table name. Keys of other maps are not found. */
const MAPS: ReadonlyMap<string, KeyReader> = new Map([
  ['popauth', readSendmailKey],
  ['postfix', parseClientAddress],
])

/**
 * The address in a sendmail key: `connect:192.0.2.1`, `connect:ipv6:2001:db8:0:0:0:0:0:1`, in any case. Untagged keys are none: sendmail
 * asks them for recipients and senders too, and granting them would open relaying *to* an address literal.
 */
export function readSendmailKey(key: string): ClientAddress | undefined {
  const [, marked, text = ''] = /^connect:(ipv6:)?([0-9a-f.:]{2,45})$/i.exec(key) ?? []
  return marked !== undefined && !text.includes(':') ? undefined : parseClientAddress(text)
}

/** The outcome of one request. `answer` is absent where the request is malformed: close the connection. */
export interface Outcome {
  readonly answer?: (typeof ANSWERS)[keyof typeof ANSWERS]
}

/** Answers one request payload: map name, a blank, key. Asks `lookup` only about whole addresses. */
export function answerRequest(payload: string, lookup: Lookup): Outcome {
  const blank = payload.indexOf(' ')
  if (blank < 1) return {}
  const address = MAPS.get(payload.slice(0, blank))?.(payload.slice(blank + 1))
  if (address === undefined) return { answer: ANSWERS.notFound }
  return { answer: answerOf(lookup(address)) }
}

function answerOf(verdict: Verdict | undefined): (typeof ANSWERS)[keyof typeof ANSWERS] {
  if (verdict === undefined) return ANSWERS.notLoaded
  return verdict.authorized ? ANSWERS.relay : ANSWERS.notFound
}

/** The protocol under the name that `status` shows. */
export function socketmapProtocol(name: string): Protocol {
  return { name, session: (lookup) => new SocketmapSession(lookup) }
}

class SocketmapSession implements ProtocolSession {
  readonly #decoder = new NetstringDecoder(MAX_REQUEST_BYTES)
  readonly #lookup: Lookup

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get partial(): boolean {
    return this.#decoder.partial
  }

  push(chunk: Buffer): Answers {
    const { payloads, malformed } = this.#decoder.push(chunk)
    let answers = ''
    let requests = 0
    for (const payload of payloads) {
      const { answer } = answerRequest(payload, this.#lookup)
      if (answer === undefined) return { answers, requests, isOver: true }
      requests++
      answers += encodeNetstring(answer)
    }
    return { answers, requests, isOver: malformed }
  }
}
