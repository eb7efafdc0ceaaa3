/** Whether a line may come from a server at all: the program name of the tag, and who sent it where journald says so. */
import type { LogLine } from '../core/log-line.ts'
import { Cursor } from './cursor.ts'
import type { ParseResult, Parser } from './parser.ts'

/** Folders that only root fills. A program run from elsewhere by an unprivileged user is not the mail server. */
const SYSTEM_FOLDERS = ['/usr/', '/sbin/', '/bin/', '/lib/', '/libexec/', '/opt/', '/nix/store/', '/gnu/store/']

/** Services in which a server runs that has become its user: its own, or inetd's. An instance's name, behind the `@`, says nothing. */
const SERVER_UNIT = /^[^@/]*(?:dovecot|imap|pop|inetd)[^@/]*(?:@[^/]*)?\.service$/i

/**
 * The reason why `line` cannot come from a server whose processes have one of `names`, or undefined where it may. Only journald's
 * trusted fields can tell; a line without them passes. The running program must be the server's, and where it does not run as
 * root, it must be known and lie in a system folder: anybody may name a program of his own `popa3d`. Nor is that enough: who writes
 * a line and starts the true server at once, or mounts his own over it, is seen by journald as the server. He cannot leave the
 * unit of his session, though, so where units are known, it must be the server's: one of `units`, or one named like a mail server.
 */
export function senderMismatch(
  line: LogLine,
  names: ReadonlySet<string>,
  units?: ReadonlySet<string>,
): string | undefined {
  const { sender } = line
  if (sender === undefined) return undefined
  const { uid, comm, exe, unit } = sender
  if (exe === undefined) {
    if (uid !== undefined && uid !== 0) return `sent by an unknown program of user id ${uid}`
    return comm === undefined || names.has(comm) ? undefined : `sent by the program ${comm}`
  }
  if (!names.has(exe.slice(exe.lastIndexOf('/') + 1))) return `sent by the program ${exe}`
  if (uid === 0) return undefined
  const who = uid === undefined ? 'an unknown user' : `user id ${uid}`
  if (!SYSTEM_FOLDERS.some((folder) => exe.startsWith(folder))) return `sent by ${exe}, a program of ${who}`
  if (unit === undefined || units?.has(unit) || SERVER_UNIT.test(unit)) return undefined
  return `sent by ${exe} of ${who} in ${unit === '' ? 'no unit' : unit}, which is no service of a mail server`
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

/**
 * The `parse` of a server whose every line is tagged with one of `programs`: `read` gets the messages of these lines, from their start.
 * `processes` are the names of the programs that write them, where these are not the tags.
 */
export function messagesOf(
  title: string,
  programs: ReadonlySet<string>,
  read: (cursor: Cursor) => ParseResult,
  processes = programs,
): Parser['parse'] {
  return (line, fields) => {
    if (!programs.has(line.program)) return foreign(title, line)
    const misfit = senderMismatch(line, processes)
    return misfit === undefined ? read(new Cursor(line, fields)) : forged(misfit)
  }
}
