/** The contract of what keeps an MTA's own copy of the table: map files, firewall sets, commands. */
import type { Authorization, TableChange } from '../core/authorization.ts'

/** Keeps one MTA's copy of the table. Calls never overlap; applying the same changes twice is harmless. */
export interface Publisher extends AsyncDisposable {
  readonly name: string
  /** `membership`: only `granted` and `ended` are told; `expiry`: `extended` too. */
  readonly needs: 'membership' | 'expiry'
  /**
   * Resolves once a new SMTP connection is judged by `changes`; `all` yields the whole table as it stands after them.
   * @throws {PublishError} `retryable` says whether to come back.
   */
  publish(changes: readonly TableChange[], all: () => Iterable<Authorization>, signal: AbortSignal): Promise<void>
  /** Makes the copy equal to `all`, whatever it held before. @throws {PublishError} */
  resync(all: () => Iterable<Authorization>, signal: AbortSignal): Promise<void>
}
