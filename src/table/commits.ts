/** Logins on their way into the table: judged one commit after the other, written to the disk together. */
import { type JudgeContext, judge, loginState } from '../admission/judge.ts'
import type { TableChange, UserLogin } from '../core/authorization.ts'
import { addressFromBytes } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { VoidCommitError } from '../errors.ts'
import { mapInTurns } from '../lib/map-in-turns.ts'
import { type Admission, admitLogin } from './admit-login.ts'
import { Draft, type DraftEntry } from './draft.ts'
import { endLogins } from './end-logins.ts'
import { isChange, type Ledger } from './ledger.ts'
import { CommitChain, type CommitInput, type CommitResult, type LoginOutcome, type PendingCommit } from './results.ts'
import type { TableStore } from './store.ts'
import { WorkQueue } from './work-queue.ts'

/** What commits are judged by. */
interface CommitParts {
  readonly store: TableStore
  readonly ledger: Ledger
  readonly context: () => JudgeContext
  /** Unix milliseconds. */
  readonly now: () => number
}

/** A commit that is judged, with what it will have written. */
interface Judged {
  readonly draft: Draft
  result: CommitResult
}

/** The table's way in. Its queue is that of all that writes to the table. */
export class Commits {
  readonly queue = new WorkQueue<Judged>((commits) => this.#writeAll(commits))
  readonly #parts: CommitParts
  /** What is on its way to the disk, oldest first. */
  #committing: Draft[] = []

  constructor(parts: CommitParts) {
    this.#parts = parts
  }

  /** Never throws: the promises do. */
  begin(input: CommitInput, chain = new CommitChain()): PendingCommit {
    const { prepared, finished } = this.queue.runInStages(() => this.#prepare(input, chain))
    const written = finished.then(({ result }) => result)
    written.catch(() => {})
    return { judged: prepared, written }
  }

  /** What the address at `key` will be, where a commit that is on its way changes it; undefined where none does. */
  onItsWay(key: Buffer): DraftEntry | undefined {
    for (let at = this.#committing.length - 1; at >= 0; at--) {
      const entry = this.#committing[at]?.changed(key)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  /** Judges what a commit holds, on top of those that are on their way to the disk. @throws {TableError} */
  async #prepare(input: CommitInput, chain: CommitChain): Promise<Judged> {
    if (chain.last?.isVoid === true) throw new VoidCommitError('cannot write to the table: what went before failed')
    chain.last = { isVoid: true }
    const nowMs = this.#parts.now()
    const draft = new Draft(
      this.#parts.store,
      this.#committing.findLast((draft) => !draft.isVoid),
    )
    const admissions = await mapInTurns(input.logins, (login) => admitLogin(draft, login, this.#parts.context(), nowMs))
    await mapInTurns(input.ended ?? [], (one) => endLogins(draft, one, this.#parts.context().policy, nowMs))
    const changes = await this.#settleTouched(draft, admissions, nowMs)
    if (input.position !== undefined) draft.setPosition(input.position.sourceId, input.position.value)
    const outcomes = await mapInTurns(input.logins, (login, i) =>
      this.#outcome(draft, login, admissions[i] as Admission, nowMs),
    )
    draft.seal()
    chain.last = draft
    // A lookup need not wait for the disk: a login that was read is a fact, and after a power cut its line is read again.
    this.#committing.push(draft)
    return { draft, result: { changes, outcomes } }
  }

  /** What was judged on top of one that fails, fails too. */
  async #writeAll(commits: readonly Judged[]): Promise<unknown[]> {
    const drafts = commits.map(({ draft }) => draft)
    const failures = await Draft.writeAll(this.#parts.store, drafts)
    this.#committing = this.#committing.filter((other) => !drafts.includes(other))
    const first = commits.find((_, i) => failures[i] === undefined)
    if (first !== undefined) first.result = this.#withHeld(first.result)
    return failures
  }

  /** What a pass over the table has noted before these commits comes before what they changed. */
  #withHeld(result: CommitResult): CommitResult {
    const held = this.#parts.ledger.release()
    return held.length === 0 ? result : { ...result, changes: [...held, ...result.changes] }
  }

  async #settleTouched(draft: Draft, admissions: readonly Admission[], nowMs: number): Promise<TableChange[]> {
    const users = new Map<string, UserLogin>()
    for (const admission of admissions) {
      if (admission.kind !== 'stored') continue
      const name = admission.key.toString('latin1')
      const other = users.get(name)
      if (other === undefined || other.lastMs <= admission.login.lastMs) users.set(name, admission.login)
    }
    const touched = draft.entries().filter(({ record, before }) => record !== before)
    const changes = await mapInTurns(touched, ({ key }) =>
      this.#parts.ledger.settle(draft, key, nowMs, users.get(key.toString('latin1'))),
    )
    return changes.filter(isChange)
  }

  #outcome(draft: Draft, login: Login, admission: Admission, nowMs: number): LoginOutcome {
    if (admission.kind === 'refused')
      return { login, kind: 'refused', reason: admission.reason, detail: admission.detail }
    if (admission.kind !== 'stored') return { login, kind: admission.kind }
    const { record } = draft.entry(admission.key)
    const verdict = judge(login.address, record, this.#parts.context(), nowMs)
    if (!verdict.authorized) return { login, kind: 'refused', reason: verdict.reason, detail: verdict.detail }
    const state = loginState(addressFromBytes(admission.key), admission.login, this.#parts.context(), nowMs)
    if (verdict.reason === 'login' && (state === 'blocked' || state === 'revoked')) {
      return {
        login,
        kind: 'refused',
        reason: state,
        detail: `this login is ${state} by the operator; others hold the address open`,
      }
    }
    return { login, kind: 'accepted', ...(verdict.untilMs === undefined ? {} : { untilMs: verdict.untilMs }) }
  }
}
