/** Client addresses as servers log them: strict, and only those that a client can have. */
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import { type Cursor, IP_ADDRESS } from './cursor.ts'

/** IPv4 that no client has: "this network" 0.0.0.0/8, multicast 224.0.0.0/4, broadcast. IPv6: unspecified, link-local, multicast. */
const IMPOSSIBLE = /^(?:0\.|22[4-9]\.|23\d\.|255\.255\.255\.255$|::$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/

/**
 * The canonical address of `text`, or undefined where it is none or one that no client can have. Link-local IPv6 counts as
 * impossible: without its zone it names nobody, and a cut-off address looks like one.
 */
export function parseLoggedAddress(text: string): ClientAddress | undefined {
  const first = firstOctet(text)
  if (first !== undefined) {
    const isPossible = first !== 0 && (first < 224 || first > 239) && text !== '255.255.255.255'
    return isPossible ? (text as ClientAddress) : undefined
  }
  const address = parseClientAddress(text)
  return address === undefined || IMPOSSIBLE.test(address) ? undefined : address
}

/**
 * The first number of a dotted quad; undefined where the text is none. Each number has one to three digits and no zero in front,
 * as with `net.isIP`, which takes longer: every line of a login comes by here.
 */
function firstOctet(text: string): number | undefined {
  let [at, first] = [0, 0]
  for (let count = 0; count < 4; count++) {
    const start = at
    let octet = 0
    for (let code = text.charCodeAt(at); code >= 48 && code <= 57 && at - start < 3; code = text.charCodeAt(at)) {
      octet = octet * 10 + code - 48
      at++
    }
    if (at === start || octet > 255 || (at - start > 1 && text.charCodeAt(start) === 48)) return undefined
    if (count === 0) first = octet
    if (count < 3 && text.charCodeAt(at++) !== 46) return undefined
  }
  return at === text.length ? first : undefined
}

/** Clients come again: the last few thousand texts of IPv6 addresses and what they are. */
const known = new Map<string, ClientAddress>()
const MOST_KNOWN = 4096

function parseKnown(text: string): ClientAddress | undefined {
  let address = known.get(text)
  if (address !== undefined) return address
  address = parseLoggedAddress(text)
  if (known.size >= MOST_KNOWN) known.clear()
  if (address !== undefined) known.set(text, address)
  return address
}

/** Takes the address that stands at the cursor; undefined, and not moved, where none does. */
export function takeAddress(cursor: Cursor, name: string): ClientAddress | undefined {
  const start = cursor.at
  const text = cursor.take(IP_ADDRESS, 45)
  if (text === undefined) return undefined
  const address = text.includes(':') ? parseKnown(text) : parseLoggedAddress(text)
  if (address === undefined) cursor.at = start
  else cursor.note(name, start)
  return address
}
