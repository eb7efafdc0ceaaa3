// A file format's content as one buffer, for tests that look at its bytes.
import type { Authorization } from '../../src/core/authorization.ts'
import { type ClientAddress, type Network, parseClientAddress, parseNetwork } from '../../src/core/client-address.ts'
import type { FileFormat } from '../../src/publishers/file-publisher.ts'

/** Everything that the format writes for these authorizations (in one slice each) and networks. */
export async function rendered(
  format: FileFormat,
  authorizations: readonly Authorization[],
  always: readonly Network[] = [],
): Promise<Buffer> {
  async function* slices() {
    for (const authorization of authorizations) yield [authorization]
  }
  const pieces: Buffer[] = []
  for await (const piece of format.render(slices(), always)) pieces.push(Buffer.from(piece as string, 'latin1'))
  return Buffer.concat(pieces)
}

/** An address by its text. @throws {Error} where it is none */
export function addressOf(text: string): ClientAddress {
  const address = parseClientAddress(text)
  if (address === undefined) throw new Error(`no address: ${text}`)
  return address
}

/** Networks by their texts. @throws {Error} where one is none */
export function networksOf(...texts: readonly string[]): Network[] {
  return texts.map((text) => {
    const network = parseNetwork(text)
    if (network === undefined) throw new Error(`no network: ${text}`)
    return network
  })
}

/** Somebody who logged in and may relay until then. */
export function loggedIn(text: string, untilMs: number): Authorization {
  return { address: addressOf(text), untilMs, reason: 'login', users: [] }
}
