/** With whose rights an MTA's own tools look at what popauthd keeps: not with root's, since who has taken popauthd's account over may have made that. */
import type { Owner } from '../../lib/directory-owner.ts'
import type { Host } from '../finding.ts'

/** The group of an account that is not known here: `nogroup`. */
const NO_GROUP = 65_534

/** The user that the daemon runs as, and its first group; undefined where that is root. */
export function keeperOf({ daemonUid, accounts }: Pick<Host, 'daemonUid' | 'accounts'>): Owner | undefined {
  if (daemonUid === 0) return undefined
  const name = accounts.nameOf(daemonUid)
  const [gid = NO_GROUP] = name === undefined ? [] : accounts.groupsOf(name)
  return { uid: daemonUid, gid }
}
