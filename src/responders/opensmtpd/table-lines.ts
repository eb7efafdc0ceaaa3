/**
 * The lines of OpenSMTPD's table protocol 0.1 (smtpd-tables(7) of 7.6 and later): requests, replies, and which of them need nobody to be asked.
 * Leaves out `fetch`: an address is asked for, the table is never listed. An answer that smtpd cannot parse ends it: replies are made here only.
 */

/** A request of smtpd. `service` is empty for `update`, `key` for `update` and `fetch`. */
export interface TableRequest {
  readonly operation: string
  readonly service: string
  readonly id: string
  readonly key: string
}

/** What stands behind the id of a reply. Smtpd takes a mail for one that has to wait where it is an error. */
export type Outcome = 'ok' | 'found' | `found|${string}` | 'not-found' | `error|${string}`

/** Says to smtpd's `config|ready` that the table holds client addresses, and that it is ready. */
export const REGISTERED = 'register|netaddr\nregister|ready\n'

/** Of a longer line only the beginning is read: smtpd's longest key has 1023 bytes. */
export const MAX_LINE_BYTES = 4096

const OPERATION = /^[a-z]{1,32}$/
const ID = /^[\x21-\x7b\x7d\x7e]{1,64}$/
/** What can be the address of a client: `192.0.2.1` or `[2001:db8::1]`. Not `local`, a host name, or an address with a zone. */
const CLIENT_KEY = /^(?:[0-9a-f.:]{2,45}|\[[0-9a-f.:]{2,45}\])$/i

/** Reads one line without its end. Undefined: it is no request, or says not which; nothing can be answered to it. */
export function parseRequest(line: string): TableRequest | undefined {
  const [kind, , , , operation = '', ...fields] = line.split('|')
  if (kind !== 'table' || !OPERATION.test(operation)) return undefined
  const hasService = operation !== 'update' && fields.length > 1
  const [service = '', id = ''] = hasService ? fields : ['', fields[0]]
  return ID.test(id) ? { operation, service, id, key: fields.slice(2).join('|') } : undefined
}

/** The request as a line, with its end, for the table that popauthd calls `popauth`. */
export function requestLine({ operation, service, id, key }: TableRequest): string {
  return `table|0.1|0.000000|popauth|${operation}|${service}|${id}|${key}\n`
}

/** The line, with its end, that answers a request. */
export function replyLine({ operation, id }: TableRequest, outcome: Outcome): string {
  return `${operation}-result|${id}|${outcome}\n`
}

/** The outcome of a request that needs no look into the table; undefined: somebody asks about what may be a client's address. */
export function settledOutcome({ operation, service, key }: TableRequest): Outcome | undefined {
  if (operation === 'update') return 'ok'
  if (service !== 'netaddr') return 'error|popauthd knows addresses of clients only: use the table after "from src"'
  if (operation !== 'check' && operation !== 'lookup') return `error|popauthd does not do "${operation}"`
  return CLIENT_KEY.test(key) ? undefined : 'not-found'
}

/** The outcome where the table says whether the client may relay. */
export function tableOutcome({ operation, key }: TableRequest, mayRelay: boolean): Outcome {
  if (!mayRelay) return 'not-found'
  return operation === 'lookup' ? `found|${key}` : 'found'
}

/** The outcome in a reply to `request`, as another process sent it; undefined where it is none that smtpd could read. */
export function outcomeOf(request: TableRequest, text: string): Outcome | undefined {
  if (text === 'not-found' || text === tableOutcome(request, true)) return text as Outcome
  return /^error\|[\x20-\x7e]{1,200}$/.test(text) ? (text as Outcome) : undefined
}

/** Cuts what comes in into lines; holds {@link MAX_LINE_BYTES} at most. */
export class LineCutter {
  #held = ''

  /** True while a line has begun and not ended. */
  get partial(): boolean {
    return this.#held !== ''
  }

  /** The lines that `text` (Latin-1) ends, without their ends, and cut where they are too long. */
  push(text: string): string[] {
    const [first = '', ...others] = text.split('\n')
    const lines = [this.#held + first.slice(0, MAX_LINE_BYTES - this.#held.length), ...others]
    this.#held = (lines.pop() ?? '').slice(0, MAX_LINE_BYTES)
    return lines.map((line) => line.slice(0, MAX_LINE_BYTES))
  }
}
