/**
 * Postfix's policy delegation (SMTPD_POLICY_README): a request is lines `name=value` and an empty line, the answer `action=...` and an empty
 * line. `OK` for an address that may relay, else `DUNNO`: what stands behind it in Postfix's restrictions decides.
 */
import { parseClientAddress } from '../../core/client-address.ts'
import type { Answers, Lookup, Protocol, ProtocolSession } from '../responder.ts'

/** Longest request, bytes: Postfix cuts its longest values (names of certificates, addresses) to 2 KiB each, and sends some thirty. */
const MAX_REQUEST_BYTES = 64 * 1024
const ANSWERS = { relay: 'action=OK\n\n', notFound: 'action=DUNNO\n\n' } as const
/** Of an address of a message so much is told: RFC 5321, section 4.5.3.1.3 allows 256 with its brackets. */
const LONGEST_TOLD = 320

/** A decision that let a client relay, with what Postfix tells of the message. All texts are the client's: untrusted. */
export interface RelayDecision {
  readonly address: string
  readonly sender: string
  readonly recipient: string
  /** Who logged in last; undefined where the operator opened the address. */
  readonly user: string | undefined
  readonly loginMs: number | undefined
  readonly untilMs: number | undefined
}

/** The policy service. `onRelay` is told of each request that was answered with OK. */
export function policyProtocol(onRelay: (decision: RelayDecision) => void): Protocol {
  return { name: 'policy', session: (lookup) => new PolicySession(lookup, onRelay) }
}

/** What is read of a request, by the length of its name, which all differ; Postfix sends some thirty attributes more. */
const READ: ReadonlyMap<number, string> = new Map(
  ['request', 'client_address', 'sender', 'recipient'].map((name) => [name.length, name]),
)

class PolicySession implements ProtocolSession {
  readonly #lookup: Lookup
  readonly #onRelay: (decision: RelayDecision) => void
  /** The request that is coming in: what is read of its lines so far, the beginning of one, and the bytes of all lines before that. */
  #attributes = new Map<string, string>()
  #line = ''
  #bytes = 0

  constructor(lookup: Lookup, onRelay: (decision: RelayDecision) => void) {
    this.#lookup = lookup
    this.#onRelay = onRelay
  }

  get partial(): boolean {
    return this.#bytes + this.#line.length > 0
  }

  push(chunk: Buffer): Answers {
    const text = this.#line + chunk.toString('latin1')
    let answers = ''
    let requests = 0
    let start = 0
    for (let end = text.indexOf('\n', this.#line.length); end >= 0; end = text.indexOf('\n', start)) {
      if (end > start) {
        if (!this.#note(text, start, end)) return { answers, requests, isOver: true }
      } else {
        const answer = this.#answer()
        if (answer === undefined) return { answers, requests, isOver: true }
        requests++
        answers += answer
      }
      start = end + 1
    }
    this.#line = text.slice(start)
    return { answers, requests, isOver: this.#bytes + this.#line.length > MAX_REQUEST_BYTES }
  }

  /** Takes the line of `text` from `start` to `end`. False: it is no attribute, one that is read stands twice (which of two addresses counts would be a guess), or it is too much. */
  #note(text: string, start: number, end: number): boolean {
    this.#bytes += end + 1 - start
    const equals = text.indexOf('=', start)
    if (equals <= start || equals > end || this.#bytes > MAX_REQUEST_BYTES) return false
    const name = READ.get(equals - start)
    if (name === undefined || !text.startsWith(name, start)) return true
    const value = text.slice(equals + 1, end)
    if (this.#attributes.has(name) || value.includes('\0')) return false
    this.#attributes.set(name, value)
    return true
  }

  /** The answer to the request that has ended. Undefined: it is none, or nothing can be said yet; Postfix tries again, and then defers. */
  #answer(): string | undefined {
    const attributes = this.#attributes
    this.#attributes = new Map()
    this.#bytes = 0
    if (attributes.get('request') !== 'smtpd_access_policy') return undefined
    const address = parseClientAddress(attributes.get('client_address') ?? '')
    if (address === undefined) return ANSWERS.notFound
    const verdict = this.#lookup(address)
    if (verdict === undefined) return undefined
    if (!verdict.authorized) return ANSWERS.notFound
    const [sender = '', recipient = ''] = [attributes.get('sender'), attributes.get('recipient')]
    const { user, loginMs, untilMs } = verdict
    this.#onRelay({ address, sender: cut(sender), recipient: cut(recipient), user, loginMs, untilMs })
    return ANSWERS.relay
  }
}

/** Addresses may hold UTF-8 (RFC 6531). */
function cut(latin1: string): string {
  const text = Buffer.from(latin1, 'latin1').toString('utf8')
  return text.length > LONGEST_TOLD ? `${text.slice(0, LONGEST_TOLD)}...` : text
}
