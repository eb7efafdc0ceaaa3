/** Which addresses that may relay were asked for, how often, and when last: an authorization that no MTA asks for is one that nobody needs. */
import QuickLRU from 'quick-lru'
import type { ClientAddress } from '../core/client-address.ts'

/** How often an address was asked for since the daemon started, and when last (Unix milliseconds). */
export interface Asked {
  readonly times: number
  readonly lastMs: number
}

/** So many of those that were asked for last are remembered at least, up to twice as many at most. */
const LEAST = 50_000

/** Kept in memory only. */
export class AskedLog {
  readonly #asked: QuickLRU<ClientAddress, { times: number; lastMs: number }>

  constructor(least = LEAST) {
    this.#asked = new QuickLRU({ maxSize: least })
  }

  /** A lookup found that `address` may relay. */
  note(address: ClientAddress, atMs: number): void {
    const known = this.#asked.get(address)
    if (known === undefined) this.#asked.set(inMemoryOfItsOwn(address), { times: 1, lastMs: atMs })
    else {
      known.times++
      known.lastMs = atMs
    }
  }

  of(address: ClientAddress): Asked | undefined {
    return this.#asked.peek(address)
  }
}

/** A piece of a longer text keeps all of that text in memory: here of the request that it came in. */
function inMemoryOfItsOwn(address: ClientAddress): ClientAddress {
  return Buffer.from(address, 'latin1').toString('latin1') as ClientAddress
}
