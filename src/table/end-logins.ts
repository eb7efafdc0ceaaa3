/** Takes logins out of a draft because the source that told of them says that they are over. */
import { type AdmissionPolicy, tableAddress } from '../admission/policy.ts'
import { addressToBytes } from '../core/client-address.ts'
import type { AddressLogout } from '../core/login.ts'
import type { Draft } from './draft.ts'

/**
 * Ends what `server` told of `address`, of all users: it names none. A login that somebody else told of later stays. The table keeps one login of a
 * user at an address, the last, so an earlier one that a log told of goes with it. An address that had more users than the table keeps stays
 * as it is, closed: whose the others were is not known any more.
 */
export function endLogins(
  draft: Draft,
  { address, server }: AddressLogout,
  policy: AdmissionPolicy,
  nowMs: number,
): void {
  const key = addressToBytes(tableAddress(address, policy.ipv6Prefix))
  const { record } = draft.entry(key)
  if (record === undefined || nowMs < record.forgottenMs + policy.windowMs) return
  const users = record.users.filter((login) => login.server !== server)
  if (users.length === record.users.length) return
  draft.put(key, { ...record, users })
  draft.reindex(key)
}
