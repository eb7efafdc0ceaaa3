/** Puts one login into a draft, as far as time and limits let it. Synchronous; the whole rule of what is stored. */

import type { JudgeContext } from '../admission/judge.ts'
import { AHEAD_MS, tableAddress } from '../admission/policy.ts'
import { storedUser } from '../admission/stored-user.ts'
import type { UserLogin, VerdictReason } from '../core/authorization.ts'
import { addressFromBytes, addressToBytes } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import type { Draft } from './draft.ts'
import { compareLogins, NOT_INDEXED, type StoredRecord } from './record.ts'

/** Refused logins remembered per user, as a multiple of the limit of addresses; older ones are covered by a watermark. */
const REMEMBERED_REFUSALS = 3

/** What became of a login. `stored`: in the draft, the verdict on its address is still to come. */
export type Admission =
  | { readonly kind: 'stored'; readonly key: Buffer; readonly login: UserLogin }
  | { readonly kind: 'repeated' | 'stale' }
  | { readonly kind: 'refused'; readonly reason: VerdictReason; readonly detail: string }

/**
 * Admits `login` at `nowMs`. A login that is not newer than the user's last one at the address changes nothing, unless the clock was set back
 * and the last one is dated ahead of it: a user who logs in now must not wait until the clock gets there again.
 */
export function admitLogin(draft: Draft, login: Login, context: JudgeContext, nowMs: number): Admission {
  const { policy } = context
  if (!(login.atMs - AHEAD_MS <= nowMs)) return refused('ahead_of_clock', aheadDetail(login, nowMs))
  if (login.atMs + policy.windowMs <= nowMs) return { kind: 'stale' }
  const never = policy.never.find(login.address)
  if (never !== undefined) return refused('never', `${never.network.text} is never opened (${never.label})`)
  const address = tableAddress(login.address, policy.ipv6Prefix)
  const key = addressToBytes(address)
  const user = storedUser(login.user)
  const { record } = draft.entry(key)
  const previous = record?.users.find((other) => other.user === user)
  if (previous !== undefined && login.atMs <= previous.lastMs && !isAhead(previous, nowMs)) return { kind: 'repeated' }
  if (record === undefined && draft.addressCount >= policy.maxAddresses) {
    return refused('table_full', `the table holds ${policy.maxAddresses} addresses (max_addresses)`)
  }
  const limit = judgeUserLimit(draft, user, key, login.atMs, previous !== undefined, context, nowMs)
  if (limit === 'forget') return refused('too_many_addresses', tooManyDetail(policy.addressesPerUser))
  const isRefused = limit === 'refuse'
  const entry: UserLogin = {
    user,
    lastMs: login.atMs,
    firstMs: isUnbroken(previous, login.atMs, policy.windowMs, isRefused)
      ? Math.min((previous as UserLogin).firstMs, login.atMs)
      : login.atMs,
    service: login.service,
    server: login.server,
    refused: isRefused,
  }
  const kept = withLogin(record ?? emptyRecord(address), entry, policy.usersPerAddress + 1)
  draft.put(key, kept)
  if (!kept.users.includes(entry)) return refused('too_many_users', `more than ${policy.usersPerAddress} newer users`)
  if (isRefused) return refused('too_many_addresses', tooManyDetail(policy.addressesPerUser))
  return { kind: 'stored', key, login: entry }
}

/** A record that knows of nobody. */
export function emptyRecord(address: StoredRecord['address']): StoredRecord {
  return { address, users: [], forgottenMs: 0, told: 0, session: 0, indexedMs: NOT_INDEXED }
}

/** The record with `entry` in place of the user's older one, cut to the newest `most` users. */
function withLogin(record: StoredRecord, entry: UserLogin, most: number): StoredRecord {
  const users = [...record.users.filter(({ user }) => user !== entry.user), entry].sort(compareLogins)
  const forgottenMs = users.slice(most).reduce((newest, { lastMs }) => Math.max(newest, lastMs), record.forgottenMs)
  return { ...record, users: users.slice(0, most), forgottenMs }
}

/**
 * The limit of addresses per user. `forget`: refused and not even remembered by itself, because the user has too many refused ones;
 * a watermark then refuses the same lines read again.
 */
function judgeUserLimit(
  draft: Draft,
  user: string,
  key: Buffer,
  atMs: number,
  isKnownHere: boolean,
  context: JudgeContext,
  nowMs: number,
): 'open' | 'refuse' | 'forget' {
  const { addressesPerUser, windowMs } = context.policy
  const { decisions } = context
  if (!isKnownHere && atMs <= (draft.watermark(user) ?? -Infinity)) return 'forget'
  let open = 0
  let refusedOnes = 0
  for (const { addressKey, lastMs, refused } of draft.addressesOf(user)) {
    if (addressKey.equals(key) || lastMs + windowMs <= nowMs) continue
    if (lastMs <= decisions.voidUntil(addressFromBytes(addressKey), user)) continue
    if (refused) refusedOnes++
    else open++
  }
  if (open < addressesPerUser) return 'open'
  if (isKnownHere || refusedOnes < REMEMBERED_REFUSALS * addressesPerUser) return 'refuse'
  draft.setWatermark(user, Math.max(atMs, draft.watermark(user) ?? -Infinity))
  return 'forget'
}

/** Only where the clock was set back since: such a login is not let in. */
function isAhead({ lastMs }: UserLogin, nowMs: number): boolean {
  return nowMs < lastMs - AHEAD_MS
}

function isUnbroken(previous: UserLogin | undefined, atMs: number, windowMs: number, refused: boolean): boolean {
  return previous !== undefined && previous.refused === refused && atMs < previous.lastMs + windowMs
}

function refused(reason: VerdictReason, detail: string): Admission {
  return { kind: 'refused', reason, detail }
}

function aheadDetail(login: Login, nowMs: number): string {
  const seconds = Math.round((login.atMs - nowMs) / 1000)
  return `dated ${seconds} s ahead of the clock, more than 5 minutes: a clock or a time zone is wrong`
}

function tooManyDetail(limit: number): string {
  return `its user is logged in from ${limit} other addresses (addresses_per_user)`
}
