/** Who may write to a file, and who may put another in its place: by owner, mode and access control list of it and of all directories above. */
import type { Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Accounts } from './accounts.ts'
import { type AclWriters, aclWriters, NO_ACL } from './acl.ts'

const OTHERS_WRITE = 0o002
const GROUP_WRITE = 0o020
const STICKY = 0o1000

/** Users of syslog daemons: they write logs anyway. */
const LOG_WRITERS = ['syslog', '_rsyslog', 'messagebus', 'systemd-journal']

/** Those, beside whoever it is for, that may write. */
interface Writers {
  readonly everybody: boolean
  /** In words: `bob`, `the members of adm (ann, bob)`. Empty where nobody else may. */
  readonly others: readonly string[]
}

/** A path, and who may write to it. */
export interface WritablePlace extends Writers {
  readonly path: string
  readonly mode: number
}

/**
 * Those beyond root, `trusted` and the daemons that write logs. A group counts where it has other members than these; root's group does not.
 */
export function writersOf(
  { uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>,
  acl: AclWriters,
  accounts: Accounts,
  trusted: readonly number[],
): Writers {
  const isTrusted = (id: number) => id === 0 || trusted.includes(id) || LOG_WRITERS.includes(accounts.userName(id))
  const uids = [uid, ...acl.uids].filter((id) => !isTrusted(id))
  const groupWrites = acl.owningGroup ?? (mode & GROUP_WRITE) !== 0
  const gids = [...(groupWrites ? [gid] : []), ...acl.gids].filter((id) => id !== 0)
  const groups = gids.flatMap((id) => groupWords(id, accounts, isTrusted) ?? [])
  return { everybody: (mode & OTHERS_WRITE) !== 0, others: [...uids.map((id) => accounts.userName(id)), ...groups] }
}

/** `the members of adm (ann, bob)`; undefined where all of them may write anyway. A group that nobody is known to be in may have unknown ones. */
function groupWords(gid: number, accounts: Accounts, isTrusted: (uid: number) => boolean): string | undefined {
  const members = accounts.members(gid)
  if (members.length === 0) return undefined
  const others = members.filter((name) => !isTrusted(accounts.uidOf(name) ?? -1))
  return others.length === 0 ? undefined : `the members of ${accounts.groupName(gid)} (${namesText(others)})`
}

/** `ann, bob and 7 more`. */
export function namesText(names: readonly string[], most = 5): string {
  if (names.length <= most) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}

/** `ann, bob and the members of adm`. */
export function whoText({ everybody, others }: Writers): string {
  if (everybody) return 'everybody on this host'
  return others.length < 2 ? (others[0] ?? 'nobody else') : `${others.slice(0, -1).join(', ')} and ${others.at(-1)}`
}

/** The file itself, where somebody else may write to it. @throws the system's error */
export async function writableFile(
  path: string,
  accounts: Accounts,
  trusted: readonly number[],
): Promise<WritablePlace | undefined> {
  const stats = await stat(path)
  const writers = writersOf(stats, stats.isFile() ? await aclWriters(path) : NO_ACL, accounts, trusted)
  return isOpen(writers) ? { path, mode: stats.mode & 0o7777, ...writers } : undefined
}

/**
 * The directories above `path`, and above the file that a link of this name leads to, in which somebody else may put another file in its place. In a sticky one (like /tmp) that
 * is so only while the file is missing: it is named with `everybody` all the same, where it holds the file itself. @throws the system's error
 */
export async function writableDirectories(
  path: string,
  accounts: Accounts,
  trusted: readonly number[],
): Promise<WritablePlace[]> {
  const target = await realpath(path).catch(() => undefined)
  const starts = [await realpath(dirname(path)), ...(target === undefined ? [] : [dirname(target)])]
  const places = await Promise.all([...new Set(starts)].map((first) => upwards(first, accounts, trusted)))
  return [...new Map(places.flat().map((place) => [place.path, place])).values()]
}

/** Of `first` and all directories above it. */
async function upwards(first: string, accounts: Accounts, trusted: readonly number[]): Promise<WritablePlace[]> {
  const found: WritablePlace[] = []
  for (let directory = first; ; directory = dirname(directory)) {
    const stats = await stat(directory)
    const isHarmless = (stats.mode & STICKY) !== 0 && directory !== first
    const writers = writersOf(stats, await aclWriters(directory), accounts, trusted)
    if (!isHarmless && isOpen(writers)) found.push({ path: directory, mode: stats.mode & 0o7777, ...writers })
    if (directory === dirname(directory)) return found
  }
}

function isOpen({ everybody, others }: Writers): boolean {
  return everybody || others.length > 0
}

/** `0640`. */
export function modeText(mode: number): string {
  return `0${(mode & 0o7777).toString(8).padStart(3, '0')}`
}
