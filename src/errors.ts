/** Every error class. The message says what was tried, on what, and why it failed; `mend` says what to do about it. */

/** Exit codes of the command line: 0 yes/done, 1 no, 2 usage or configuration, 3 cannot reach, read or write. */
export type ExitCode = 0 | 1 | 2 | 3

/** An error with a message for people, a mend, and an exit code. Never holds a stack for the operator. */
export class PopauthdError extends Error {
  readonly mend: string | undefined
  readonly exitCode: ExitCode

  constructor(message: string, options: { mend?: string; exitCode?: ExitCode; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.mend = options.mend
    this.exitCode = options.exitCode ?? 3
  }
}

/** Wrong arguments or a configuration that does not validate (exit code 2). */
export class UsageError extends PopauthdError {
  constructor(message: string, options: { mend?: string; cause?: unknown } = {}) {
    super(message, { ...options, exitCode: 2 })
  }
}

/** A log, journal or other source cannot be read. */
export class SourceError extends PopauthdError {}

/** The table is damaged, locked by another process, or cannot be written. */
export class TableError extends PopauthdError {}

/** The table itself is damaged, so that a new one is made of the logs (`popauthd rebuild`); decisions are in a file of their own. */
export class DamagedTableError extends TableError {}

/** A commit was judged on top of one that could not be written. Nothing is wrong with it: it may be tried again at once. */
export class VoidCommitError extends TableError {}

/** A map could not be published. `retryable` says whether to come back. */
export class PublishError extends PopauthdError {
  readonly retryable: boolean

  constructor(message: string, options: { retryable: boolean; mend?: string; cause?: unknown }) {
    super(message, options)
    this.retryable = options.retryable
  }
}

/** The table holds what was asked for, but a map could not follow. `answer` is what would have been answered otherwise. */
export class MapBehindError extends PopauthdError {
  readonly answer: unknown

  constructor(message: string, options: { answer: unknown; mend?: string }) {
    super(message, options)
    this.answer = options.answer
  }
}

/** A socket cannot be bound or reached. */
export class SocketError extends PopauthdError {}

/** The reason of a system error in plain words (`no space left on the device`), for the end of a message. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  const known: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is not a directory',
    ENOSPC: 'no space left on the device',
    EROFS: 'the file system is read-only',
    EMFILE: 'too many open files',
    EADDRINUSE: 'already in use',
    ECONNREFUSED: 'nobody answers there',
    EIO: 'input/output error',
  }
  return (code !== undefined && known[code]) || (error instanceof Error ? error.message : String(error))
}

/** What went wrong and, in brackets, what to do about it: one line for a log. */
export function reasonAndMend(error: unknown): string {
  const mend = error instanceof PopauthdError && error.mend !== undefined ? ` (${error.mend})` : ''
  return `${reasonOf(error)}${mend}`
}
