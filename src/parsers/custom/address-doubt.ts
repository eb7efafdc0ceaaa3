/**
 * Whether an address in a message is certainly the client's. The text of a message is partly chosen by clients: a name such as
 * `x from 192.0.2.66` may make a pattern fit in two ways. The server writes the true address in any case, so that a forged one is always
 * the second in the line: a message that holds any address beside the expected ones grants nothing.
 */
import { type ClientAddress, parseClientAddress } from '../../core/client-address.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { Span } from './format-pattern.ts'

const RUN = /[0-9A-Fa-f.:]{2,}/g
const DOTTED_QUAD = /\d{1,3}(?:\.\d{1,3}){3}/
/** A port, behind an IPv4 address only: to an IPv6 one it would belong. */
const PORT = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}(?=[.:]?$)/
const WORD_CHARACTER = /[\p{L}\p{N}_-]/u
/** Colons of an IPv6 address that has no `::`. */
const MOST_COLONS = 7

/** What speaks against the address, and where (0-based, in the message). */
interface Doubt {
  readonly reason: string
  readonly column: number
}

/** Why `address`, which stands at `at`, may not be the client's; undefined where it is certain. `others`: where servers' own addresses stand. */
export function addressDoubt(
  message: string,
  at: Span,
  address: ClientAddress,
  others: readonly Span[],
): Doubt | undefined {
  for (const { 0: text, index } of message.matchAll(RUN)) {
    const run = { start: index, end: index + text.length }
    if (holds(run, at)) {
      if (!fills(message, run, at)) return { reason: 'the address does not stand by itself', column: at.start }
    } else if (
      isAddressLike(text) &&
      parseLoggedAddress(text.replace(PORT, '$1').replace(/[.:]$/, '')) !== address &&
      !others.some((other) => holds(run, other) && fills(message, run, other) && isAddress(message, other))
    ) {
      return { reason: 'a second address stands in the line', column: run.start }
    }
  }
  return undefined
}

function holds(run: Span, part: Span): boolean {
  return part.start >= run.start && part.start < run.end
}

function isAddress(message: string, { start, end }: Span): boolean {
  return parseClientAddress(message.slice(start, end)) !== undefined
}

/** True where `part` is the whole run, but for a colon before it, and behind it a dot, a colon, or the port of an IPv4 address. */
function fills(message: string, run: Span, part: Span): boolean {
  const head = message.slice(run.start, part.start)
  const tail = message.slice(part.end, run.end)
  const isV4 = !message.slice(part.start, part.end).includes(':')
  const isEnd = isV4 ? /^(?::\d{1,5})?[.:]?$/.test(tail) : /^[.:]?$/.test(tail)
  const edge = `${head === '' ? (message[run.start - 1] ?? '') : ''} ${message[run.end] ?? ''}`
  return part.end <= run.end && (head === '' || head === ':') && isEnd && !WORD_CHARACTER.test(edge)
}

/** True for more than addresses, never for less: what a longer text could hide must show. */
function isAddressLike(text: string): boolean {
  return DOTTED_QUAD.test(text) || text.includes('::') || text.split(':').length > MOST_COLONS
}
