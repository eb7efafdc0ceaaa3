/** Carries the IPv6 entries of the table over to another `ipv6_prefix`. */
import { type AdmissionPolicy, tableAddress } from '../admission/policy.ts'
import type { UserLogin } from '../core/authorization.ts'
import { addressToBytes, isIPv4Address } from '../core/client-address.ts'
import { emptyRecord } from './admit-login.ts'
import { Draft } from './draft.ts'
import { compareLogins } from './record.ts'
import type { TableStore } from './store.ts'

const CHUNK = 500

/**
 * Where the prefix is not the one that the table was written with: with a shorter one entries are put together; with a longer one they
 * are dropped, because which host of the network logged in is not known. @throws {TableError} it goes on at the next start
 */
export async function adoptPrefix(store: TableStore, policy: AdmissionPolicy): Promise<void> {
  const before = store.metaNumber('ipv6_prefix')
  if (before === policy.ipv6Prefix) return
  for (let after: Buffer | undefined; before !== undefined; ) {
    const chunk = store.recordsAfter(after, CHUNK)
    const draft = new Draft(store)
    for (const { key, record } of chunk) {
      if (isIPv4Address(record.address)) continue
      const address = tableAddress(record.address, policy.ipv6Prefix)
      if (address === record.address && policy.ipv6Prefix < before) continue
      draft.put(key, undefined)
      if (policy.ipv6Prefix > before) continue
      const into = addressToBytes(address)
      const other = draft.entry(into).record ?? emptyRecord(address)
      const users = newestOfEach([...other.users, ...record.users])
      const most = policy.usersPerAddress + 1
      const forgotten = users.slice(most).map(({ lastMs }) => lastMs)
      const forgottenMs = Math.max(other.forgottenMs, record.forgottenMs, ...forgotten)
      draft.put(into, { ...other, users: users.slice(0, most), forgottenMs })
    }
    await draft.write()
    after = chunk.at(-1)?.key
    if (after === undefined) break
  }
  await store.setMetaNumber('ipv6_prefix', policy.ipv6Prefix)
}

function newestOfEach(logins: UserLogin[]): UserLogin[] {
  const seen = new Set<string>()
  return logins.sort(compareLogins).filter(({ user }) => !seen.has(user) && seen.add(user))
}
