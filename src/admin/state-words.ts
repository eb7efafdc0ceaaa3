/** What the daemon does just now, in one line for people: the status that a service manager shows. */
import { counted } from '../lib/counted.ts'
import type { SourceStatus } from './api-types.ts'

/** What the line is made of. */
interface StateFacts {
  readonly ready: boolean
  readonly sources: readonly Pick<SourceStatus, 'origin' | 'caughtUp' | 'readPercent'>[]
  /** How many addresses may relay now, told once it is ready; null: not counted yet. */
  readonly authorized: number | null
}

/** `reading /var/log/mail.log, 42%` while catching up, then `12 clients may relay; following /var/log/mail.log`. */
export function stateWords({ ready, sources, authorized }: StateFacts): string {
  if (ready) {
    const following = `following ${sources.map(({ origin }) => origin).join(', ')}`
    return authorized === null ? following : `${counted(authorized, 'client')} may relay; ${following}`
  }
  const behind = sources.filter(({ caughtUp }) => !caughtUp)
  if (behind.length === 0) return 'starting'
  return behind
    .map(({ origin, readPercent }) => `reading ${origin}${readPercent === undefined ? '' : `, ${readPercent}%`}`)
    .join('; ')
}
