/** The contract of what keeps an MTA's own copy of the table: map files, firewall sets, commands. */
import type { Authorization, TableChange } from '../core/authorization.ts'
import type { Network } from '../core/client-address.ts'

/** The whole table as it stands when it is read, in slices of a few milliseconds' work, with turns of the event loop in between. A slice may be empty. */
export type WholeTable = () => AsyncIterable<readonly Authorization[]> | Iterable<readonly Authorization[]>

/** Keeps one MTA's copy of the table. Calls never overlap; applying the same changes twice is harmless. */
export interface Publisher extends AsyncDisposable {
  readonly name: string
  /** `membership`: only `granted` and `ended` are told; `expiry`: `extended` too, well before the time that was published runs out. */
  readonly needs: 'membership' | 'expiry'
  /** What the operator must mend though the copy follows the table, with the mend; undefined: nothing. */
  readonly trouble?: string | undefined
  /**
   * Takes the networks that may relay without a login; ask for a resync then.
   * @throws {UsageError} where the copy has no way to say one of them; the ones before stay then
   */
  setAlways(networks: readonly Network[]): void
  /**
   * Resolves once a new SMTP connection is judged by `changes`; `all` yields the whole table as it stands after them.
   * @throws {PublishError} `retryable` says whether to come back.
   */
  publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void>
  /** Makes the copy equal to `all`, whatever it held before. @throws {PublishError} */
  resync(all: WholeTable, signal: AbortSignal): Promise<void>
  /** Takes out all that popauthd put there, for `when_stopped: close`; what is the operator's own stays. @throws {PublishError} */
  closeAll(signal: AbortSignal): Promise<void>
  /** Calls `onChange` when somebody else changed the copy; `resync` then mends it. Ends at dispose. Absent where it cannot be told. */
  watch?(onChange: () => void): void
}
