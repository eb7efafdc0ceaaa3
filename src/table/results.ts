/** What the table is given and gives back: options, batches, outcomes. */
import type { DecisionResult } from '../admission/decisions.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { Authorization, TableChange, VerdictReason } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import type { AddressLogout, Login } from '../core/login.ts'
import type { Clock } from '../lib/clock.ts'

/** How to open the table. */
export interface TableOptions {
  /** State directory; made (mode 0711: the MTA must get through to its map) where it is missing, unless read-only. Holds table.mdb, decisions.json and the lock. */
  readonly directory: string
  readonly clock: Clock
  readonly policy: AdmissionPolicy
  /** Reads what is there and takes no lock: for a command where no daemon runs. Everything that writes then throws. */
  readonly readOnly?: boolean
}

/** Logins of a batch of lines in the order of the lines, and the read position behind them. */
export interface CommitInput {
  readonly logins: readonly Login[]
  /** What ends, after these logins. */
  readonly ended?: readonly AddressLogout[]
  /** `value` is plain JSON, kept as it is under the id of the source. */
  readonly position?: { readonly sourceId: string; readonly value: unknown }
}

/** Commits of one source that stand and fall together: where one could not be written, none behind it is, its position least of all. */
export class CommitChain {
  /** What was judged last; `isVoid`: it was not written, and will not be. */
  last: { readonly isVoid: boolean } | undefined
}

/** A commit on its way. Whoever is interested in one of the promises only need not heed the other. */
export interface PendingCommit {
  /** Resolves once it is judged: lookups heed it from then on. @throws as `written` */
  readonly judged: Promise<unknown>
  /** Resolves once it is on disk. @throws {TableError} nothing of it was written */
  readonly written: Promise<CommitResult>
}

/** What became of one login. `accepted`: its address may relay through it. `stale`: over when it was read. `repeated`: known already. */
export type LoginOutcome = { readonly login: Login } & (
  | { readonly kind: 'accepted'; readonly untilMs?: number }
  | { readonly kind: 'repeated' | 'stale' }
  | { readonly kind: 'refused'; readonly reason: VerdictReason; readonly detail: string }
)

/** Result of a commit: `outcomes` in the order of the logins; `changes` at most one an address, behind those that a pass found before and nobody told yet. */
export interface CommitResult {
  readonly changes: TableChange[]
  readonly outcomes: LoginOutcome[]
}

/** Result of a decision. */
export interface DecisionOutcome extends DecisionResult {
  /** What a pass found before and nobody told yet: to be told before `changes`. */
  readonly earlier: TableChange[]
  readonly changes: TableChange[]
  /** The decision as it is kept: a revoke is dated after every login that it voids. */
  readonly decision: Decision
  /** Addresses the decision was about that may still relay, with the users who hold them open. */
  readonly stillOpen: readonly Authorization[]
}

/** Result of a flush: `stillOpen` is what no login opened (allows, always). */
export interface FlushOutcome {
  /** As in {@link DecisionOutcome}. */
  readonly earlier: TableChange[]
  readonly changes: TableChange[]
  readonly stillOpen: readonly Authorization[]
}

/** One address of a user. */
export interface UserAddress {
  readonly address: ClientAddress
  readonly lastMs: number
  readonly refused: boolean
}

/** Sizes. `logins`: pairs of user and address. */
export interface TableStats {
  readonly addresses: number
  readonly logins: number
  readonly fileBytes: number
}
