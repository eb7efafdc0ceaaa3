/** Counts what senders did since the start, and tells an operator of what should not come: a hostile sender can cause that without end. */
import type { Clock } from '../lib/clock.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { SourceNotice } from './source.ts'

/** Of one kind of trouble so much time lies between two notices at least. */
const TELL_EVERY_MS = 60_000

/** Whom a tally tells. */
export interface TallyOptions {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
}

/** One for a source. `Troubles` are those of its counts that an operator is told of. */
export class Tally<Counted extends string, Troubles extends Counted> {
  /** Names are those of `status`. */
  readonly counts: Record<Counted, number>
  readonly #kinds: Readonly<Record<Troubles, SourceNotice['kind']>>
  readonly #options: TallyOptions
  readonly #told = new Map<Troubles, { readonly atMs: number; readonly count: number }>()

  /** `counts`: zero of each; `kinds`: what a notice of a trouble is called. */
  constructor(
    counts: Record<Counted, number>,
    kinds: Readonly<Record<Troubles, SourceNotice['kind']>>,
    options: TallyOptions,
  ) {
    this.counts = counts
    this.#kinds = kinds
    this.#options = options
  }

  /** Counts a trouble, and tells of it unless one of its kind was told of lately. */
  trouble(trouble: Troubles, text: string): void {
    const { clock, notice } = this.#options
    const count = ++this.counts[trouble]
    const last = this.#told.get(trouble)
    const nowMs = clock.now()
    if (last !== undefined && Math.abs(nowMs - last.atMs) < TELL_EVERY_MS) return
    this.#told.set(trouble, { atMs: nowMs, count })
    const more = count - (last?.count ?? 0) - 1
    const detail = escapeForTerminal(more > 0 ? `${text} (and ${more} more before it)` : text)
    const kind = this.#kinds[trouble]
    notice({ kind, detail, trouble: kind !== 'line_too_long' })
  }
}
