/** The answers of the control API in words, escaped for a terminal. */
import type { CheckAnswer, DecisionFact, ListEntry } from '../admin/api-types.ts'
import { formatDuration } from '../lib/duration.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { Colors } from '../lib/terminal.ts'
import { localTime } from './output.ts'

/** `2026-11-22 17:14:02 (29 min 10 s left)`, or `without end`. */
export function untilWords(until: string | null, secondsLeft: number | null, nowMs: number): string {
  if (until === null) return 'without end'
  const left = secondsLeft ?? Math.max(0, Math.floor((Date.parse(until) - nowMs) / 1000))
  return `until ${localTime(until, nowMs)} (${formatDuration(left)} left)`
}

/** One line that answers "may it relay now?", with the reason. */
export function verdictLine(answer: CheckAnswer, nowMs: number, colors: Colors): string {
  const address = colors.bold(escapeForTerminal(answer.address))
  const detail = escapeForTerminal(answer.detail)
  if (!answer.authorized) return `${address} ${colors.red('may not relay')}: ${detail}\n`
  const at = answer.lastLogin === undefined ? '' : ` at ${localTime(answer.lastLogin, nowMs)}`
  return `${address} ${colors.green('may relay')} ${untilWords(answer.until, answer.secondsLeft, nowMs)}: ${detail}${at}\n`
}

/** `block of user bob since 2026-11-22 16:00:00, until 2026-11-23 16:00:00`. */
export function decisionWords(decision: DecisionFact): string {
  if (decision.kind === 'allow' && decision.user !== undefined)
    return escapeForTerminal(`blocks of user ${decision.user} are taken back`)
  const whom = decision.user === undefined ? (decision.address ?? '') : `user ${decision.user}`
  if (decision.kind === 'revoke')
    return escapeForTerminal(`revoke of ${whom}: logins up to ${localTime(decision.at)} are void`)
  const end = decision.until === null ? 'until taken back' : `until ${localTime(decision.until)}`
  return escapeForTerminal(`${decision.kind} of ${whom} since ${localTime(decision.at)}, ${end}`)
}

/** Who holds an address open: `alice, bob`, or why it is open without them. */
export function holders(entry: ListEntry): string {
  const users = entry.users.join(', ')
  if (entry.reason === 'login') return users
  const reason = entry.reason === 'allowed' ? 'allowed by an operator' : 'always open by configuration'
  return users === '' ? reason : `${reason}; ${users}`
}

/** Sorts by end, soonest first, without end last; equal ones by address. */
export function byEnd(a: ListEntry, b: ListEntry): number {
  if (a.until !== b.until) return a.until === null ? 1 : b.until === null ? -1 : a.until < b.until ? -1 : 1
  return a.address < b.address ? -1 : 1
}
