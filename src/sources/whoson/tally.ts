/** Counts what came of a Whoson source's commands, and tells an operator of what should not come, at most once a minute of each kind. */
import type { Clock } from '../../lib/clock.ts'
import { escapeForTerminal } from '../../lib/escape.ts'
import type { SourceNotice } from '../source.ts'

const TELL_EVERY_MS = 60_000

/** What happened since the start; names are those of `status`. */
export type WhosonCounts = Record<'logins' | 'logouts' | 'queries' | 'connections' | Trouble, number>

type Trouble = 'refused' | 'dropped' | 'connections_refused' | 'connections_timed_out'

/** Whom a tally tells. */
interface TallyOptions {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
}

/** One for a source. */
export class WhosonTally {
  readonly counts: WhosonCounts = {
    logins: 0,
    logouts: 0,
    queries: 0,
    refused: 0,
    dropped: 0,
    connections: 0,
    connections_refused: 0,
    connections_timed_out: 0,
  }
  readonly #options: TallyOptions
  readonly #told = new Map<Trouble, { readonly atMs: number; readonly count: number }>()

  constructor(options: TallyOptions) {
    this.#options = options
  }

  /** Counts a trouble, and tells of it unless one of its kind was told of lately. */
  trouble(kind: Trouble, text: string): void {
    const { clock, notice } = this.#options
    const count = ++this.counts[kind]
    const last = this.#told.get(kind)
    const nowMs = clock.now()
    if (last !== undefined && Math.abs(nowMs - last.atMs) < TELL_EVERY_MS) return
    this.#told.set(kind, { atMs: nowMs, count })
    const more = count - (last?.count ?? 0) - 1
    const detail = escapeForTerminal(more > 0 ? `${text} (and ${more} more before it)` : text)
    notice({ kind: kind === 'dropped' ? 'dropped' : 'refused', detail, trouble: true })
  }
}
