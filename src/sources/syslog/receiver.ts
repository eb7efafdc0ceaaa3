/** What a syslog source needs of its transport. */

/** Brings messages to the mailroom. Nothing is read before {@link start}. */
export interface Receiver {
  /** @throws {PopauthdError} where it cannot listen */
  start(): Promise<void>
  /** Where it listens, for people. */
  readonly place: string
  /** Takes no more; messages that were read already still come to the mailroom, which needs room for them. Resolves when they have. */
  finish(): Promise<void>
  /** Drops everything at once. */
  close(): Promise<void>
}
