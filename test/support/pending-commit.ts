// A commit of a table that is none: judged when it is written.
import type { CommitResult, PendingCommit } from '../../src/table/results.ts'

/** The commit that `result` ends. */
export function pendingCommit(result: Promise<CommitResult>): PendingCommit {
  return { judged: result, written: result }
}
