/** What publishers know of each address, so that every change is told once. Told: 0 closed, -1 open without end, else the end in ms. */
import { type JudgeContext, judge } from '../admission/judge.ts'
import { type AdmissionPolicy, openedBits } from '../admission/policy.ts'
import type { TableChange, UserLogin, Verdict } from '../core/authorization.ts'
import { addressFromBytes, type ClientAddress } from '../core/client-address.ts'
import { emptyRecord } from './admit-login.ts'
import type { Draft } from './draft.ts'
import type { StoredRecord } from './record.ts'

/**
 * A record says what was told of it in the session that wrote it last. Whatever was not written since the table was opened, or since
 * all of it was judged anew, was told as it stood then: at `baseMs` under `basePolicy`.
 */
export class Ledger {
  readonly #session: number
  readonly #context: () => JudgeContext
  baseMs: number
  basePolicy: AdmissionPolicy
  #held: TableChange[] = []

  constructor(session: number, context: () => JudgeContext, baseMs: number) {
    this.#session = session
    this.#context = context
    this.baseMs = baseMs
    this.basePolicy = context().policy
  }

  /** Takes in changes that are noted as told and will be at the end of a pass; who tells others meanwhile tells these first. */
  hold(changes: readonly TableChange[]): void {
    for (const change of changes) this.#held.push(change)
  }

  /** The changes that are held, oldest first. They are to be told now: what is told of an address later is about what came later. */
  release(): TableChange[] {
    const held = this.#held
    this.#held = []
    return held
  }

  /** What was told of an address whose stored record is `record`. */
  told(address: ClientAddress, record: StoredRecord | undefined): number {
    if (record?.session === this.#session) return record.told
    return listing(address, record, { ...this.#context(), policy: this.basePolicy }, this.baseMs)
  }

  /**
   * Notes in the draft how the address at `key` stands at `nowMs`, and returns the change since it was told last, if any.
   * `toldBefore`: where decisions changed since the draft began, {@link told} of the address before them.
   */
  settle(draft: Draft, key: Buffer, nowMs: number, login?: UserLogin, toldBefore?: number): TableChange | undefined {
    const { before, record } = draft.entry(key)
    const address = addressFromBytes(key)
    const told = toldBefore ?? this.told(address, before)
    const verdict = judge(address, record, this.#context(), nowMs, true)
    const now = listingOf(address, verdict, this.#context().policy)
    const mustWrite = record !== before || told !== now || (toldBefore !== undefined && before !== undefined)
    if (mustWrite) draft.put(key, this.#noted(address, record, now))
    return changeBetween(told, now, this.#explained(verdict, address, before, nowMs), address, nowMs, login)
  }

  /** Where the facts that ended were removed in this draft, the stored ones still say why. */
  #explained(verdict: Verdict, address: ClientAddress, before: StoredRecord | undefined, nowMs: number): Verdict {
    if (verdict.reason !== 'unknown' || before === undefined) return verdict
    const asStored = judge(address, before, this.#context(), nowMs, true)
    return asStored.authorized ? { ...verdict, reason: 'logged_out' } : asStored
  }

  /** The record with `now` noted; a record of nobody is dropped where nothing would be lost. */
  #noted(address: ClientAddress, record: StoredRecord | undefined, now: number): StoredRecord | undefined {
    const isEmpty = record === undefined || record.users.length === 0
    if (isEmpty && this.told(address, undefined) === now) return undefined
    return { ...(record ?? emptyRecord(address)), told: now, session: this.#session }
  }
}

/** The change from what was told to `now`, by `login` where one made it; undefined where there is none. */
export function changeBetween(
  told: number,
  now: number,
  verdict: Verdict,
  address: ClientAddress,
  atMs: number,
  login?: UserLogin,
): TableChange | undefined {
  if (told === now) return undefined
  const kind = now === 0 ? 'ended' : told === 0 ? 'granted' : 'extended'
  const until = now > 0 ? { untilMs: now } : {}
  const before = kind === 'extended' && told > 0 ? { beforeMs: told } : {}
  const byWhom = login === undefined || now === 0 ? {} : { user: login.user, loginMs: login.lastMs }
  return { kind, address, atMs, ...until, ...before, reason: verdict.reason, ...byWhom }
}

/** How a map lists the address: see the head of this file. */
function listing(
  address: ClientAddress,
  record: StoredRecord | undefined,
  context: JudgeContext,
  atMs: number,
): number {
  return listingOf(address, judge(address, record, context, atMs, true), context.policy)
}

/** As {@link listing}, of a verdict on the whole. What an always network opens is not listed by address: the network itself is. */
export function listingOf(address: ClientAddress, verdict: Verdict, policy: AdmissionPolicy): number {
  if (!verdict.authorized) return 0
  const always =
    verdict.reason === 'always' ? policy.always.find(address, openedBits(address, policy.ipv6Prefix)) : undefined
  if (verdict.reason === 'always' && always?.network.bits !== 128) return 0
  return verdict.untilMs ?? -1
}

/** True unless nothing changed. */
export function isChange(change: TableChange | undefined): change is TableChange {
  return change !== undefined
}
