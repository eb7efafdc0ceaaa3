/** The contract of what the control API and the command line talk to: the running daemon, or the table opened without one. */
import type { TableChange } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import type {
  CheckAnswer,
  DecisionAnswer,
  DecisionRequest,
  FlushAnswer,
  ImportAnswer,
  ListEntry,
  PruneAnswer,
  StatusAnswer,
  WhyAnswer,
} from './api-types.ts'

/**
 * Answers questions about the table and carries out what an operator decides. Input is validated by the caller: addresses are
 * canonical, users bounded and free of control characters. Methods that change something resolve once it is stored; lookups
 * are judged by it from then on, maps follow as always. All reject with a PopauthdError.
 */
export interface ControlTarget {
  status(): Promise<StatusAnswer>
  /** All that may relay now, in any order. Read in pieces, so that a long list keeps nothing else waiting. */
  list(): AsyncIterable<ListEntry>
  check(address: ClientAddress): Promise<CheckAnswer>
  why(address: ClientAddress): Promise<WhyAnswer>
  /** Stores the decision with the time of the call. */
  decide(request: DecisionRequest): Promise<DecisionAnswer>
  /** Voids every login so far; decisions stay. */
  flush(): Promise<FlushAnswer>
  /** Removes what has expired, and brings the maps in step. */
  prune(): Promise<PruneAnswer>
  /** Logins through admission, as if their lines had been read. */
  importLogins(logins: readonly Login[]): Promise<ImportAnswer>
}

/** A target that also tells of changes as they happen: the daemon. */
export interface WatchableTarget extends ControlTarget {
  /** Calls `listener` at each change; returns how to stop. */
  onChange(listener: (change: TableChange) => void): () => void
}
