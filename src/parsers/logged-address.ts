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
  const address = parseClientAddress(text)
  return address === undefined || IMPOSSIBLE.test(address) ? undefined : address
}

/** Clients come again: the last few thousand texts and what they are. */
const known = new Map<string, ClientAddress>()
const MOST_KNOWN = 4096

/** Takes the address that stands at the cursor; undefined, and not moved, where none does. */
export function takeAddress(cursor: Cursor, name: string): ClientAddress | undefined {
  const start = cursor.at
  const text = cursor.take(IP_ADDRESS, 45)
  if (text === undefined) return undefined
  let address = known.get(text)
  if (address === undefined) {
    address = parseLoggedAddress(text)
    if (known.size >= MOST_KNOWN) known.clear()
    if (address !== undefined) known.set(text, address)
  }
  if (address === undefined) cursor.at = start
  else cursor.note(name, start)
  return address
}
