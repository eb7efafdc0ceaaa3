// What a way to attach an MTA to popauthd is, for the scenes that all of them play.
import { rm } from 'node:fs/promises'
import type { Lab } from './lab.ts'
import type { OverlayRoot } from './overlay-root.ts'

/** The recipient elsewhere: a relay attempt. */
export const FOREIGN = 'x@elsewhere.example.com'
/** The recipient here: local mail. */
export const LOCAL = 'alice@mx.example.net'

/**
 * What a client was told: the SMTP code of the answer to RCPT (or to MAIL, where that was refused), `closed` where the session ended instead,
 * `no connection` where there was none, `waits` where there still was no answer after 5 s.
 */
export type Answer = string

/** Two answers in a cell: of a new session, and of one that was open before. Once where both are the same. */
export function newAndOpen(fresh: Answer, open: Answer): string {
  return fresh === open ? fresh : `${fresh} / ${open}`
}

const COLUMNS_OF_BOTH = {
  before: ['no login', 'a relay attempt of a host that has not logged in'],
  login: [
    'logged in',
    'after its POP3 login; another host, and another address of the same host, get what stands under "no login"',
  ],
  ipv6: ['IPv6', 'the same after an IMAP login over IPv6'],
} as const satisfies Columns

/** The scenes of an MTA that asks popauthd, and what each column means. */
export const LIVE_COLUMNS = {
  ...COLUMNS_OF_BOTH,
  expired: ['expired', 'from the instant on that its time is over'],
  revoked: ['revoked', 'after `popauthd revoke`'],
  hung: ['hangs', 'popauthd is there and says nothing (SIGSTOP): what comes in the end; waits: nothing yet after 5 s'],
  killed: ['killed', 'popauthd was killed (SIGKILL)'],
  restarted: ['back', 'popauthd was started again after that; the open session had met it dead'],
  stopped: ['stopped', 'popauthd was stopped (SIGTERM)'],
  local: ['local mail', 'mail to a user here, with no login, and while popauthd hangs, is killed, is stopped'],
} as const satisfies Columns

/** The scenes of an MTA that reads a map which popauthd keeps. */
export const FILE_COLUMNS = {
  ...COLUMNS_OF_BOTH,
  expired: ['expired', 'when its time was over and the map had followed'],
  revoked: ['revoked', 'when the map had followed `popauthd revoke`'],
  hung: ['hangs', 'its time is not over and popauthd does nothing (SIGSTOP)'],
  killed: ['killed', 'its time is not over and popauthd was killed (SIGKILL)'],
  overdue: ['overdue', 'popauthd was killed, the time is over, and nothing has swept the map yet'],
  pruned: ['pruned', 'the same after `popauthd prune`, which opens nothing and leaves who is in time'],
  restarted: ['back', 'popauthd was started again'],
  stopped: ['stopped', 'its time is not over and popauthd was stopped (SIGTERM), with `when_stopped: until_expiry`'],
  missing: ['no map', 'the MTA was started while popauthd was stopped and the map was missing'],
  mended: ['map back', 'popauthd was started then; restart: the MTA needed a restart, too'],
  local: ['local mail', 'mail to a user here in all these cases but "no map"'],
} as const satisfies Columns

/** Key, then the head of the column and what the line under the table says of it. */
export type Columns = Readonly<Record<string, readonly [head: string, meaning: string]>>
type LiveColumn = keyof typeof LIVE_COLUMNS
type FileColumn = keyof typeof FILE_COLUMNS

interface Named {
  /** The program, as the first column says it: `Postfix`. */
  readonly mta: string
  /** How it is attached, as the second column says it; with `mta` it is the attachment's name. Written as it is: `'socket map, chroot'`. */
  readonly form: string
  /** Its page in `docs/`: `postfix.md`. */
  readonly page: string
  /** The port of relay attempts; local mail goes to 25 anyhow. By default 25. */
  readonly relayPort?: number
  /** A relay attempt of a host that has no right. */
  readonly refused: Answer
}

/** An MTA that asks popauthd for each recipient. */
export interface LiveAttachment extends Named {
  readonly kind: 'live'
  /** Starts the MTA; resolves once it answers. popauthd is started afterwards. */
  readonly start: (lab: Lab) => Promise<Attached>
  /**
   * What each cell must hold, see `newAndOpen`. By default: no login, expired, revoked as `refused`; logged in, IPv6 and local mail 250.
   */
  readonly expected: Expected<LiveColumn, 'hung' | 'killed' | 'restarted' | 'stopped'>
}

/** An MTA that reads a map. */
export interface FileAttachment extends Named {
  readonly kind: 'file'
  /** Makes everything ready. The MTA need not run yet: popauthd is started next, and then `restart` is called. */
  readonly start: (lab: Lab) => Promise<AttachedFile>
  /** How long after the end of its time a host may still get 250, with all that a test needs to ask. By default 4. */
  readonly followsWithinSeconds?: number
  /**
   * What each cell must hold, see `newAndOpen`. By default: no login, expired, revoked, pruned as `refused`; all others 250 (the map keeps who is
   * in time). "no map" says what the relay attempt and local mail get: `451, local 250`; or `does not start`.
   */
  readonly expected: Expected<FileColumn, 'missing' | 'mended'>
}

export type Attachment = LiveAttachment | FileAttachment

type Expected<Column extends string, Required extends Column> = Readonly<
  Record<Required, string> & Partial<Record<Column, string>>
>

/** An attached MTA. */
export interface Attached {
  /** Options of popauthd: entries of `lookups` or of `maps`, with paths and groups of the host. */
  readonly config: Readonly<Record<string, unknown>>
}

/** An entry of `lookups`, as it stands on a page. */
export interface LookupEntry {
  readonly protocol: string
  readonly socket: string
  readonly group: string
}

/** An MTA in `root` that asks at this entry, with the socket's path and its group as the host knows them. */
export async function attachedAt(entry: LookupEntry, socket: string, root: OverlayRoot): Promise<Attached> {
  return { config: { lookups: [{ ...entry, socket, group: await root.groupId(entry.group) }] } }
}

/** An attached MTA that reads a map. */
export interface AttachedFile extends Attached {
  /** Starts the MTA, or ends it and starts it anew; resolves once it answers. @throws {Error} where it does not start */
  readonly restart: () => Promise<void>
  /** What the MTA reads, on the host. Removed for the scene of the missing map, and awaited after it. */
  readonly files: readonly string[]
  /** Takes the map away where removing `files` is not all, or the map is no file. */
  readonly remove?: () => Promise<void>
}

/** What the cells of an attachment must hold. */
export function expectedCells(attachment: Attachment): Readonly<Record<string, string>> {
  const { refused, expected } = attachment
  const common = { before: refused, login: '250', ipv6: '250', expired: refused, revoked: refused, local: '250' }
  if (attachment.kind === 'live') return { ...common, ...expected }
  const inTime = { hung: '250', killed: '250', overdue: '250', restarted: '250', stopped: '250' }
  return { ...common, ...inTime, pruned: refused, ...expected }
}

/** Takes the map away. */
export async function removeMap({ files, remove }: AttachedFile): Promise<void> {
  for (const path of files) await rm(path)
  await remove?.()
}
