/** POSIX access control lists, as Linux keeps them in an extended attribute (acl(5); layout: linux/posix_acl_xattr.h, version 2). */
import { closeSync, constants, openSync } from 'node:fs'

const ATTRIBUTE = 'system.posix_acl_access'
const VERSION = 2
const ENTRY_BYTES = 8
const TAG = { user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10 } as const
const WRITE = 2

/** Users and groups that an access control list names as allowed to write. */
export interface AclWriters {
  readonly uids: readonly number[]
  readonly gids: readonly number[]
  /** Whether the group of the file may write, which the mode does not tell where there is a list; undefined: no list. */
  readonly owningGroup: boolean | undefined
}

/** No list. */
export const NO_ACL: AclWriters = { uids: [], gids: [], owningGroup: undefined }

/** What the list of a file or directory adds to its mode; nobody where it has none, or it cannot be read. */
export async function aclWriters(path: string): Promise<AclWriters> {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { getAttrSync } = await import('fs-native-extensions')
    const bytes = getAttrSync(fd, ATTRIBUTE)
    return bytes === null ? NO_ACL : parseAcl(bytes)
  } catch {
    return NO_ACL
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** The named entries that may write, as the mask leaves them. An attribute of another layout names nobody. */
export function parseAcl(bytes: Buffer): AclWriters {
  if (bytes.length < 4 || bytes.readUInt32LE(0) !== VERSION) return NO_ACL
  const entries: { tag: number; permissions: number; id: number }[] = []
  for (let at = 4; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES)
    entries.push({
      tag: bytes.readUInt16LE(at),
      permissions: bytes.readUInt16LE(at + 2),
      id: bytes.readUInt32LE(at + 4),
    })
  const mask = entries.find(({ tag }) => tag === TAG.mask)?.permissions ?? 7
  const writing = (wanted: number) =>
    entries.filter(({ tag, permissions }) => tag === wanted && (permissions & mask & WRITE) !== 0).map(({ id }) => id)
  return { uids: writing(TAG.user), gids: writing(TAG.group), owningGroup: writing(TAG.owningGroup).length > 0 }
}
