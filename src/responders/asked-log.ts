/** Which addresses that may relay were asked for, how often, and when last: an authorization that no MTA asks for is one that nobody needs. */
import type { ClientAddress } from '../core/client-address.ts'

/** How often an address was asked for since the daemon started, and when last (Unix milliseconds). */
export interface Asked {
  readonly times: number
  readonly lastMs: number
}

/** Remembered at most; what was asked for longest ago is forgotten first. */
const MOST = 100_000

/** An address that is asked for again costs one look into a map: this is done in each lookup. Kept in memory only. */
export class AskedLog {
  readonly #most: number
  /** What was asked for last, up to half of all; what was asked for before that is in `#older`. */
  #newer = new Map<ClientAddress, { times: number; lastMs: number }>()
  #older: ReadonlyMap<ClientAddress, Asked> = new Map()

  constructor(most = MOST) {
    this.#most = most
  }

  /** A lookup found that `address` may relay. */
  note(address: ClientAddress, atMs: number): void {
    const known = this.#newer.get(address)
    if (known !== undefined) {
      known.times++
      known.lastMs = atMs
      return
    }
    const times = (this.#older.get(address)?.times ?? 0) + 1
    if (this.#newer.size * 2 >= this.#most) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(inMemoryOfItsOwn(address), { times, lastMs: atMs })
  }

  of(address: ClientAddress): Asked | undefined {
    return this.#newer.get(address) ?? this.#older.get(address)
  }
}

/** A piece of a longer text keeps all of that text in memory: here of the request that it came in. */
function inMemoryOfItsOwn(address: ClientAddress): ClientAddress {
  return Buffer.from(address, 'latin1').toString('latin1') as ClientAddress
}
