/** Which addresses that may relay were asked for, how often, and when last: an authorization that no MTA asks for is one that nobody needs. */
import type { ClientAddress } from '../core/client-address.ts'

/** How often an address was asked for since the daemon started, and when last (Unix milliseconds). */
export interface Asked {
  readonly times: number
  readonly lastMs: number
}

/** Remembered at most; what was asked for longest ago goes first. */
const MOST = 100_000

/** Kept in memory only. */
export class AskedLog {
  readonly #most: number
  /** In the order of the last question. */
  readonly #asked = new Map<ClientAddress, Asked>()

  constructor(most = MOST) {
    this.#most = most
  }

  /** A lookup found that `address` may relay. */
  note(address: ClientAddress, atMs: number): void {
    const before = this.#asked.get(address)
    if (before !== undefined) this.#asked.delete(address)
    else if (this.#asked.size >= this.#most) this.#asked.delete(this.#asked.keys().next().value as ClientAddress)
    this.#asked.set(address, { times: (before?.times ?? 0) + 1, lastMs: atMs })
  }

  of(address: ClientAddress): Asked | undefined {
    return this.#asked.get(address)
  }
}
