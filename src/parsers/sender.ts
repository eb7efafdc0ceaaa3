/** Whether a line may come from a server at all: the program name of the tag, and who sent it where journald says so. */
import type { LogLine } from '../core/log-line.ts'
import type { ParseResult } from './parser.ts'

/** Folders that only root fills. A program run from elsewhere by an unprivileged user is not the mail server. */
const SYSTEM_FOLDERS = ['/usr/', '/sbin/', '/bin/', '/lib/', '/libexec/', '/opt/', '/nix/store/', '/gnu/store/']

/**
 * The reason why `line` cannot come from a server whose processes have one of `names`, or undefined where it may. Only journald's
 * trusted fields can tell; a line without them passes. The running program must be the server's, and where it does not run as
 * root, it must be known and lie in a system folder: anybody may name a program of his own `popa3d`.
 */
export function senderMismatch(line: LogLine, names: ReadonlySet<string>): string | undefined {
  const { sender } = line
  if (sender === undefined) return undefined
  const { uid, comm, exe } = sender
  if (exe === undefined) {
    if (uid !== undefined && uid !== 0) return `sent by an unknown program of user id ${uid}`
    return comm === undefined || names.has(comm) ? undefined : `sent by the program ${comm}`
  }
  if (!names.has(exe.slice(exe.lastIndexOf('/') + 1))) return `sent by the program ${exe}`
  const trusted = uid === undefined || uid === 0 || SYSTEM_FOLDERS.some((folder) => exe.startsWith(folder))
  return trusted ? undefined : `sent by ${exe}, a program of user id ${uid}`
}

/** The result for a line that another program wrote. */
export function foreign(title: string, line: LogLine): ParseResult {
  const writer = line.program === '' ? 'no named program' : line.program
  const reason = `written by ${writer}, which is not a program of ${title}`
  return { kind: 'none', mismatch: 'foreign', reason, column: 0 }
}

/** The result for a line with a server's tag that another process sent. */
export function forged(reason: string): ParseResult {
  return { kind: 'none', mismatch: 'suspect', reason, column: 0 }
}
