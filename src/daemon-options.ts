/** What the daemon needs of the process besides its configuration. */
import type { LoadedConfig } from './config/load.ts'

/** Everything of the process that the daemon needs; it installs no handlers of its own and does not end the process. */
export interface DaemonOptions {
  /** Aborts when the daemon is to stop; its reason is the signal's name. */
  readonly signal: AbortSignal
  /** Calls `listener` at each SIGHUP; returns how to stop listening. */
  readonly onReload: (listener: () => void) => () => void
  /** Loads the configuration anew, with the same file and command line. @throws {UsageError} the old one then stays in force */
  readonly reload: () => Promise<LoadedConfig>
  /** Lines for the operator about the configuration. */
  readonly warnings: readonly string[]
  /** Follow standard input (`--log -`) instead of the configured sources. */
  readonly readStdin: boolean
  /** Listening sockets that the service manager handed over, by name: `socketmap`. */
  readonly sockets: ReadonlyMap<string, number>
  /** Called once reading begins, with what tells in one line for people what the daemon does just now. */
  readonly onReading?: (stateWords: () => Promise<string>) => void
  /** Called once all sources have been read to their end for the first time, with what is followed. */
  readonly onReady: (following: readonly string[]) => void
}
