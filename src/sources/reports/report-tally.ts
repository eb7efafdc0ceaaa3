/** Counts the reports that gave no login, and tells an operator of those that should not come, at most once a minute. */
import type { Clock } from '../../lib/clock.ts'
import type { SourceNotice } from '../source.ts'

/** Why a report gave no login. All but `ignored` are trouble: `unauthorized` came without the secret, `dropped` found no room. */
type LostReport = 'ignored' | 'malformed' | 'unauthorized' | 'dropped'

const TELL_AGAIN_MS = 60_000

const WORDS: Readonly<Record<Exclude<LostReport, 'ignored'>, string>> = {
  malformed: "not understood: compare Dovecot's settings with docs/dovecot-reports.md",
  unauthorized: 'without the secret: somebody else sends, or Dovecot has another secret than secret_file',
  dropped: 'dropped: logins cannot be recorded as fast as they come, or not at all (see the errors before)',
}

/** Whom a tally tells. */
interface TallyOptions {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
}

/** One for a source. */
export class ReportTally {
  /** How many of each kind there were since the start. */
  readonly counts: Readonly<Record<LostReport, number>>
  readonly #counts = { ignored: 0, malformed: 0, unauthorized: 0, dropped: 0 }
  readonly #options: TallyOptions
  readonly #since = new Map<LostReport, { count: number; toldMs: number }>()

  constructor(options: TallyOptions) {
    this.#options = options
    this.counts = this.#counts
  }

  /** `reason` holds nothing of what was sent. */
  lost(why: LostReport, reason?: string): void {
    this.#counts[why]++
    if (why === 'ignored') return
    const nowMs = this.#options.clock.now()
    const since = this.#since.get(why) ?? { count: 0, toldMs: Number.NEGATIVE_INFINITY }
    this.#since.set(why, since)
    since.count++
    // A clock that was set back must not silence it.
    if (nowMs >= since.toldMs && nowMs < since.toldMs + TELL_AGAIN_MS) return
    const detail = `${since.count} report(s) ${WORDS[why]}${reason === undefined ? '' : ` (${reason})`}`
    this.#options.notice({ kind: 'reports_refused', detail, trouble: true })
    since.count = 0
    since.toldMs = nowMs
  }
}
