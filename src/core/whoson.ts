/**
 * The Whoson protocol (draft of E. Crosser, "WHOSON - the Protocol for Keeping Track of Dynamically Allocated IP addresses", 1998; in doubt what
 * its later implementations send), both directions, as values. A request is one line and an empty line; the answer one line that begins with
 * `+`, `-` or `*`, and an empty line. Leaves out `LIST` of the reference server: who may ask about one address is not told of all.
 */
import type { Verdict } from './authorization.ts'
import { type ClientAddress, parseClientAddress } from './client-address.ts'

/** A request that is one. `user` of a LOGIN is empty where none was told. */
export type WhosonCommand =
  | { readonly verb: 'LOGIN'; readonly address: ClientAddress; readonly user: string }
  | { readonly verb: 'LOGOUT'; readonly address: ClientAddress }
  | { readonly verb: 'QUERY'; readonly address: ClientAddress }
  | { readonly verb: 'QUIT' }

/** Why bytes are no request. After `broken` it is not plain any more where the next one begins. */
export interface WhosonFault {
  readonly fault: 'unknown' | 'broken'
  /** For people; holds nothing of what was sent. */
  readonly why: string
}

/** Longest line, bytes without its end. */
export const LONGEST_WHOSON_LINE = 2048
/** Exim gives an answer 80 bytes, libwhoson no more than its caller has: what is longer would be cut anywhere. */
const LONGEST_TEXT = 64
const LONGEST_USER = 255
const REQUEST = /^([A-Za-z]{1,16})(?: +([^ ]{1,64})(?: +([^ ](?:.*[^ ])?))?)? *$/
const CONTROL = /[\u0000-\u001f\u007f]/
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

/** The user data of an address that the operator opened, not a login. No user is called so: names are kept in small letters. */
const OPENED_BY_OPERATOR = 'OPERATOR'

/** Reads a line without its end: Latin-1 text of the bytes that came. */
export function readWhosonLine(line: string): WhosonCommand | WhosonFault {
  if (CONTROL.test(line)) return broken('a control character')
  const [, word = '', where, rest] = REQUEST.exec(line) ?? []
  const verb = word.toUpperCase()
  if (verb === 'QUIT') return where === undefined ? { verb } : unknown('QUIT takes nothing')
  if (verb !== 'LOGIN' && verb !== 'LOGOUT' && verb !== 'QUERY') return unknown('no such command')
  const address = parseClientAddress(where ?? '')
  if (address === undefined) return unknown('no IP address')
  if (verb !== 'LOGIN' && rest !== undefined) return unknown('more than an address')
  if (verb !== 'LOGIN') return { verb, address }
  const user = userOf(rest ?? '')
  return user === undefined ? unknown('no user name') : { verb, address, user }
}

/** Reads a datagram: one request; the ends of its lines may be left out. */
export function readWhosonDatagram(datagram: Buffer): WhosonCommand | WhosonFault {
  if (datagram.length > LONGEST_WHOSON_LINE) return broken('too long')
  return readWhosonLine(datagram.toString('latin1').replace(/(?:\r?\n){1,2}$/, ''))
}

function userOf(latin1: string): string | undefined {
  const user = Buffer.from(latin1, 'latin1').toString('utf8')
  return user.length > LONGEST_USER || UNPRINTABLE.test(user) ? undefined : user
}

function unknown(why: string): WhosonFault {
  return { fault: 'unknown', why }
}

function broken(why: string): WhosonFault {
  return { fault: 'broken', why }
}

const CR_AT_END = /\r$/

/** Cuts the bytes of a connection into requests. Holds one line at most. Lines may end with LF alone. */
export class WhosonDecoder {
  #line = ''
  /** The rest of a line that was too long is passed over. */
  #isTooLong = false
  /** The command, until its empty line comes; a fault, until that of its request does. */
  #command: WhosonCommand | WhosonFault | undefined

  /** True while a request has begun and not ended. */
  get partial(): boolean {
    return this.#line !== '' || this.#isTooLong || this.#command !== undefined
  }

  /** The requests that `chunk` completes, in order; pull them one by one. A line that is too long is a request of its own, and none. */
  *push(chunk: Buffer): Generator<WhosonCommand | WhosonFault> {
    const text = chunk.toString('latin1')
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#hold(text, start, end)
      start = end + 1
      const request = this.#endOfLine()
      if (request !== undefined) yield request
    }
    this.#hold(text, start, text.length)
  }

  #hold(text: string, start: number, end: number): void {
    if (this.#isTooLong) return
    this.#isTooLong = this.#line.length + end - start > LONGEST_WHOSON_LINE + 1
    this.#line = this.#isTooLong ? '' : this.#line + text.slice(start, end)
  }

  #endOfLine(): WhosonCommand | WhosonFault | undefined {
    const line = this.#line.replace(CR_AT_END, '')
    const isTooLong = this.#isTooLong
    const command = this.#command
    this.#line = ''
    this.#isTooLong = false
    if (isTooLong) {
      this.#command = undefined
      return broken('a line that is too long')
    }
    if (line === '') this.#command = undefined
    else this.#command = command === undefined ? readWhosonLine(line) : broken('more than one line')
    return line === '' ? command : undefined
  }
}

/** An answer: `+` known or done, `-` not known, `*` an error. Only printable ASCII of the text is said, and no more than clients have room for. */
export function whosonAnswer(sign: '+' | '-' | '*', text: string): string {
  const safe = text.replace(/[^ -~]/gu, '?').slice(0, LONGEST_TEXT)
  return `${sign}${safe}\r\n\r\n`
}

/** The answer to a QUERY. `verdict` is undefined while the table is not loaded: an error, for it may be known in a moment. */
export function whosonQueryAnswer(verdict: Verdict | undefined): string {
  if (verdict === undefined) return whosonAnswer('*', 'not ready, ask again')
  if (!verdict.authorized) return whosonAnswer('-', 'not logged in')
  return whosonAnswer('+', verdict.user ?? OPENED_BY_OPERATOR)
}
