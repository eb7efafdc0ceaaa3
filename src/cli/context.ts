/** What a command sees of the process: its streams, environment, clock and the options that every command takes. */
import type { Readable, Writable } from 'node:stream'
import type { ExitCode } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { TerminalLike } from '../lib/terminal.ts'

/** A stream that commands write to; may be a terminal. */
export type OutputStream = Writable & TerminalLike

/** Options before or after the command's name that every command takes. */
export interface GlobalOptions {
  /** Configuration file named by `--config`. */
  readonly config?: string
  /** Use the state below the checkout (`./var`), as `npm start` does. */
  readonly here?: boolean
  /** Show stacks of errors. */
  readonly debug?: boolean
}

/** Signals of the process, listened for only by the command that asks (`run`). */
export interface ProcessSignals {
  /** Aborts at the first SIGINT or SIGTERM; its reason is the signal's name. */
  onStop(): AbortSignal
  /** Calls `listener` at each SIGHUP; returns how to stop listening. */
  onReload(listener: () => void): () => void
}

/** Everything a command may use of the world around it. Tests hand in their own. */
export interface CliContext {
  /** Opened only when asked for. */
  readonly stdin: () => Readable
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly signals: ProcessSignals
  /** Aborts once nobody reads standard output any more (a closed pipe). */
  readonly outputClosed: AbortSignal
  readonly globals: () => GlobalOptions
}

/** What {@link runCli} is given; it adds the global options itself. */
export type CliProcess = Omit<CliContext, 'globals'>

/** The work of a command: resolves to its exit code; none is 0. */
// biome-ignore lint/suspicious/noConfusingVoidType: a command that cannot say no returns nothing
export type CommandWork = Promise<ExitCode | void>
