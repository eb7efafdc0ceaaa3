/** Whether a line may come from a server at all: the program name of the tag, and who sent it where journald says so. */
import type { LineSender, LogLine, SenderRule } from '../core/log-line.ts'
import { Cursor } from './cursor.ts'
import type { ParseResult, Parser } from './parser.ts'

/** Folders that only root fills. A program run from elsewhere by an unprivileged user is not the mail server. */
const SYSTEM_FOLDERS = ['/usr/', '/sbin/', '/bin/', '/lib/', '/libexec/', '/opt/', '/nix/store/', '/gnu/store/']

/**
 * Services in which a server runs that has become its user: its own, or inetd's. One word of the name is a server's (`openbsd-inetd`,
 * `cyrus-imapd`, not `goimapnotify`); an instance's name, behind the `@`, says nothing.
 */
const SERVER_UNIT =
  /^(?:[^@/]*[-_.:])?(?:dovecot\d*|[a-z]{0,6}imap(?:\d|4rev1)?s?d?|imapproxyd?|[a-z]{0,6}pop(?:a?\d)?s?d?|[a-z]{0,4}popperd?|teapop|[a-z]{0,6}inetd)(?:[-_.:][^@/]*)?(?:@[^/]*)?\.service$/i
const LONGEST_PATH = 80
/** Where an operator says that it was the server after all. */
const OPTION = '(option `senders`)'

/**
 * The reason why `line` cannot come from a server whose processes have one of `names`, or undefined where it may. Only journald's
 * trusted fields can tell; a line without them passes (in a copy of a journal; in the journal itself it does not). The running program must be the server's, and where it does not run as
 * root, it must be known and lie in a system folder: anybody may name a program of his own `popa3d`. Nor is that enough: who writes
 * a line and starts the true server at once, or mounts his own over it, is seen by journald as the server. He cannot leave the
 * unit of his session, though, so where units are known, it must be the server's: one of `units`, or one named like a mail server.
 * What the operator's rule names replaces the part of this that it is about.
 */
export function senderMismatch(
  { sender }: LogLine,
  names: ReadonlySet<string>,
  units?: ReadonlySet<string>,
): string | undefined {
  if (sender === undefined) return undefined
  const misfit = ruleMismatch(sender) ?? programMismatch(sender, names) ?? unitMismatch(sender, units)
  return misfit === undefined ? undefined : `sent by ${misfit} ${OPTION}`
}

/** What speaks against the sender by the operator's rule. */
function ruleMismatch({ uid, exe, unit, rule = {} }: LineSender): string | undefined {
  const { uids, executables, units } = rule
  if (uids !== undefined && (uid === undefined || !uids.includes(uid))) return `${nameOf(uid)}, not by one of uid`
  if (executables !== undefined && (exe === undefined || !executables.includes(exe)))
    return `${programOf(exe)}, not by one of exe`
  if (units !== undefined && !units.some((pattern) => fits(unit ?? '', pattern)))
    return `${programOf(exe)} in ${unitName(unit)}, not in one of unit`
  return undefined
}

/** True where `unit` is of the pattern; the operator's `*` stands behind an `@`. */
function fits(unit: string, pattern: string): boolean {
  const [start = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return unit === pattern
  const end = rest.at(-1) ?? ''
  const isFramed = unit.length >= start.length + end.length && unit.startsWith(start) && unit.endsWith(end)
  return isFramed && !unit.slice(start.length, unit.length - end.length).includes('/')
}

function programMismatch({ uid, comm, exe, rule = {} }: LineSender, names: ReadonlySet<string>): string | undefined {
  const { executables, isLive = false } = rule
  if (executables !== undefined) return undefined
  if (exe === undefined) {
    const isNobody = uid === undefined && comm === undefined && !isLive
    if (uid !== 0 && !isNobody) return `an unknown program of ${nameOf(uid)}`
    return comm === undefined || names.has(comm) ? undefined : `the program ${shown(comm)}`
  }
  if (!names.has(exe.slice(exe.lastIndexOf('/') + 1))) return programOf(exe)
  if (uid === 0 || SYSTEM_FOLDERS.some((folder) => exe.startsWith(folder))) return undefined
  return `${shown(exe)}, a program of ${nameOf(uid)}`
}

function unitMismatch({ uid, exe, unit, rule = {} }: LineSender, units?: ReadonlySet<string>): string | undefined {
  if (uid === 0 || rule.units !== undefined) return undefined
  if (unit === undefined && rule.needsUnit !== true) return undefined
  if (unit !== undefined && (units?.has(unit) || SERVER_UNIT.test(unit))) return undefined
  return `${programOf(exe)} of ${nameOf(uid)} in ${unitName(unit)}, which is no service of a mail server`
}

function nameOf(uid: number | undefined): string {
  return uid === undefined ? 'an unknown user' : `user id ${uid}`
}

function programOf(exe: string | undefined): string {
  return exe === undefined ? 'an unknown program' : `the program ${shown(exe)}`
}

function unitName(unit: string | undefined): string {
  return unit === undefined || unit === '' ? 'no unit' : shown(unit)
}

/** What a user may have chosen must not push out what stands behind it. */
function shown(text: string): string {
  return text.length > LONGEST_PATH ? `${text.slice(0, LONGEST_PATH)}...` : text
}

/** `parsers`, each with the rule of the operator's for its server's lines in the journal, and with what holds of all on this host. */
export function heedSenders(
  parsers: readonly Parser[],
  senders: readonly (SenderRule & { readonly server: string })[],
  host: Pick<SenderRule, 'isLive' | 'needsUnit'> = {},
): readonly Parser[] {
  return parsers.map((parser) =>
    withSenderRule(parser, { ...senders.find(({ server }) => server === parser.id), ...host }),
  )
}

function withSenderRule(parser: Parser, rule: SenderRule): Parser {
  return {
    ...parser,
    parse: ({ sender, ...line }, fields) =>
      parser.parse(sender === undefined ? line : { ...line, sender: { ...sender, rule } }, fields),
  }
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
