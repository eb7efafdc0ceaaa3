/** The one rule: may this address relay at this instant? Pure: facts, decisions and policy in, a verdict out. */
import type { AddressRecord, UserLogin, Verdict, VerdictReason } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { type AdmissionPolicy, AHEAD_MS, openedBits, tableAddress } from './policy.ts'

/** The operator's decisions as a verdict needs them. Addresses are those of {@link tableAddress}. Times are Unix milliseconds. */
export interface DecisionView {
  /** End of an allow that is in force at `atMs`, Infinity for one without end; undefined where there is none. */
  allowedUntil(address: ClientAddress, atMs: number): number | undefined
  isAddressBlocked(address: ClientAddress, atMs: number): boolean
  isUserBlocked(user: string, atMs: number): boolean
  /** Every login by `user` from `address` at or before this time is void; -Infinity where none is. */
  voidUntil(address: ClientAddress, user: string): number
}

/** A record, and the newest login of those that the table had no room to keep at this address (more users than the limit). */
export interface AddressFacts extends AddressRecord {
  readonly forgottenMs?: number
}

/** What an address is judged by. */
export interface JudgeContext {
  readonly policy: AdmissionPolicy
  readonly decisions: DecisionView
}

/** What one login is worth: `open`, or why it opens nothing. */
export type LoginState = 'open' | 'blocked' | 'revoked' | 'too_many_addresses' | 'expired' | 'ahead_of_clock'

/**
 * Judges `address` at `atMs`. `facts` is what the table knows under its {@link tableAddress}.
 * Order: never > block > static entry > always, allow > login. An address with more users than the limit is closed to logins.
 * `whole`: judges the IPv6 network that `address` starts (as a map entry opens it): what touches any part of it counts against it, and only what
 * opens all of it for it.
 */
export function judge(
  address: ClientAddress,
  facts: AddressFacts | undefined,
  context: JudgeContext,
  atMs: number,
  whole = false,
): Verdict {
  const { policy, decisions } = context
  const prefixLength = whole ? policy.ipv6Prefix : 128
  const never = whole ? policy.never.findOverlap(address, prefixLength) : policy.never.find(address)
  if (never !== undefined) return closed('never', `${never.network.text} is never opened (${never.label})`)
  const key = tableAddress(address, policy.ipv6Prefix)
  if (decisions.isAddressBlocked(key, atMs)) return closed('blocked', 'blocked by the operator')
  const veto = policy.staticVeto(address, prefixLength)
  if (veto !== undefined) return closed('static', `a static entry stands against it: ${veto}`)
  const always = policy.always.find(address, whole ? openedBits(address, policy.ipv6Prefix) : 128)
  if (always !== undefined) return opened('always', Infinity, `in ${always.network.text}, which is always allowed`)
  const allowedUntil = decisions.allowedUntil(key, atMs)
  const byLogin = judgeLogins(key, facts, context, atMs)
  if (allowedUntil === undefined) return byLogin
  if (byLogin.authorized && (byLogin.untilMs ?? Infinity) >= allowedUntil) return byLogin
  return opened('allowed', allowedUntil, 'allowed by the operator')
}

/** What one login at `address` (a {@link tableAddress}) is worth at `atMs`. */
export function loginState(address: ClientAddress, login: UserLogin, context: JudgeContext, atMs: number): LoginState {
  const { policy, decisions } = context
  if (atMs >= login.lastMs + policy.windowMs) return 'expired'
  if (atMs < login.lastMs - AHEAD_MS) return 'ahead_of_clock'
  if (login.lastMs <= decisions.voidUntil(address, login.user)) return 'revoked'
  if (decisions.isUserBlocked(login.user, atMs)) return 'blocked'
  return login.refused ? 'too_many_addresses' : 'open'
}

function judgeLogins(
  key: ClientAddress,
  facts: AddressFacts | undefined,
  context: JudgeContext,
  atMs: number,
): Verdict {
  if (facts === undefined || facts.users.length === 0) return closed('unknown', 'no login seen')
  const { windowMs, usersPerAddress } = context.policy
  const inTime = facts.users.reduce((count, { lastMs }) => (atMs < lastMs + windowMs ? count + 1 : count), 0)
  const overflow = atMs < (facts.forgottenMs ?? -Infinity) + windowMs
  if (inTime > usersPerAddress || overflow) {
    return closed('too_many_users', `more than ${usersPerAddress} users logged in from it: a proxy, or a shared host`)
  }
  let reason: Exclude<LoginState, 'open'> | undefined
  for (const login of facts.users) {
    const state = loginState(key, login, context, atMs)
    if (state === 'open') return new OpenedByLogin(login, windowMs)
    if (reason === undefined || reason === 'ahead_of_clock') reason = state
  }
  return closed(reason ?? 'unknown', WHY[reason ?? 'expired'])
}

const WHY: Readonly<Record<Exclude<LoginState, 'open'>, string>> = {
  blocked: 'its user is blocked by the operator',
  revoked: 'its login was revoked by the operator',
  too_many_addresses: 'its user is logged in from too many addresses',
  expired: 'the last login is too long ago',
  ahead_of_clock: 'its login is dated ahead of the clock',
}

/** The sentence is made when it is asked for: most verdicts go to an MTA, which never does. */
class OpenedByLogin implements Verdict {
  readonly authorized = true
  readonly reason = 'login'
  readonly untilMs: number
  readonly loginMs: number
  readonly user: string
  readonly #login: UserLogin

  constructor(login: UserLogin, windowMs: number) {
    this.untilMs = login.lastMs + windowMs
    this.loginMs = login.lastMs
    this.user = login.user
    this.#login = login
  }

  get detail(): string {
    const { service, user, server } = this.#login
    return `${service === 'any' ? 'mail' : service} login by ${user} (${server})`
  }
}

function opened(reason: VerdictReason, untilMs: number, detail: string): Verdict {
  return untilMs === Infinity ? { authorized: true, reason, detail } : { authorized: true, reason, untilMs, detail }
}

function closed(reason: VerdictReason, detail: string): Verdict {
  return { authorized: false, reason, detail }
}
