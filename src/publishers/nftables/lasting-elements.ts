/** Remembers a few elements of each set that stand there for long. Whether they still do tells whether somebody emptied the set. */
import type { ClientAddress } from '../../core/client-address.ts'
import type { SetElement } from './format.ts'

const MOST_OF_A_SET = 16
/** An element that ends sooner may go by itself while it is asked for. */
const LEAST_LEFT_MS = 10_000

interface OfSet {
  readonly ends: Map<ClientAddress, number>
  /** The soonest end among them. */
  leastMs: number
  /** True once there were more than are remembered. */
  overflowed: boolean
}

/** The elements with the latest ends. */
export class LastingElements {
  #sets = new Map<string, OfSet>()

  /** Forgets all: the sets are made anew. */
  clear(): void {
    this.#sets = new Map()
  }

  /** An element stands in its set until `untilMs` (Unix milliseconds; undefined: always). */
  note({ set, address, untilMs = Number.POSITIVE_INFINITY }: SetElement): void {
    const of = this.#sets.get(set) ?? { ends: new Map(), leastMs: Number.POSITIVE_INFINITY, overflowed: false }
    this.#sets.set(set, of)
    if (of.ends.size >= MOST_OF_A_SET && !of.ends.has(address)) {
      of.overflowed = true
      if (untilMs <= of.leastMs) return
      for (const [other, endMs] of of.ends) {
        if (endMs !== of.leastMs) continue
        of.ends.delete(other)
        break
      }
    }
    of.ends.set(address, untilMs)
    of.leastMs = Math.min(...of.ends.values())
  }

  /** An element was taken out of its set. */
  drop({ set, address }: Pick<SetElement, 'set' | 'address'>): void {
    const of = this.#sets.get(set)
    if (of?.ends.delete(address)) of.leastMs = Math.min(...of.ends.values())
  }

  /** One element of each set that must still be there at `nowMs`, where one is remembered. */
  present(nowMs: number): Pick<SetElement, 'set' | 'address'>[] {
    return [...this.#sets].flatMap(([set, { ends }]) => {
      const found = [...ends].find(([, endMs]) => endMs - nowMs > LEAST_LEFT_MS)
      return found === undefined ? [] : [{ set, address: found[0] }]
    })
  }

  /** True where a set may hold more, but nothing remembered of it lasts at `nowMs`: only making it anew tells what is there. */
  isSpent(nowMs: number): boolean {
    const present = new Set(this.present(nowMs).map(({ set }) => set))
    return [...this.#sets].some(([set, { overflowed }]) => overflowed && !present.has(set))
  }
}
