/** The control contract over an open table: what the daemon and the command line without a daemon have in common. */
import { tableAddress } from '../admission/policy.ts'
import type { Authorization, TableChange, Verdict } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import type { Login } from '../core/login.ts'
import type { Clock } from '../lib/clock.ts'
import type { Asked } from '../responders/asked-log.ts'
import type { AuthorizationTable } from '../table/authorization-table.ts'
import type { LoginOutcome } from '../table/results.ts'
import type * as Api from './api-types.ts'
import type { ControlTarget } from './control-target.ts'

/** What a target works on; all of it is owned by whoever makes the target. */
export interface TableTargetParts {
  readonly table: AuthorizationTable
  readonly clock: Clock
  /** Told of what a decision, a flush or an import changed, once it is stored: for the log, the maps and the watchers. */
  readonly onChanges: (changes: readonly TableChange[]) => void
  /** What MTAs asked for; absent where nobody answers them. */
  readonly asked?: (address: ClientAddress) => Asked | undefined
}

/** Everything but `status` and `prune`, which differ. */
export class TableTarget implements Omit<ControlTarget, 'status' | 'prune'> {
  readonly #parts: TableTargetParts

  constructor(parts: TableTargetParts) {
    this.#parts = parts
  }

  async *list(): AsyncGenerator<Api.ListEntry> {
    const { table, clock } = this.#parts
    for await (const slice of table.authorizations())
      for (const authorization of slice)
        yield { ...listEntry(authorization, clock.now()), ...this.#asked(authorization.address) }
  }

  /** Number of addresses that may relay now, counted in pieces. @throws {TableError} */
  async countAuthorized(): Promise<number> {
    let count = 0
    for await (const _ of this.list()) count++
    return count
  }

  async check(address: ClientAddress): Promise<Api.CheckAnswer> {
    return checkAnswer(address, this.#parts.table.lookup(address), this.#parts.clock.now())
  }

  async why(address: ClientAddress): Promise<Api.WhyAnswer> {
    const { table, clock } = this.#parts
    const logins = table.usersOf(address)
    const names = new Set(logins.map(({ user }) => user))
    const key = (of: ClientAddress) => tableAddress(of, table.policy.ipv6Prefix)
    const isOfInterest = (decision: Decision) =>
      'user' in decision ? names.has(decision.user) : key(decision.address) === key(address)
    return {
      ...checkAnswer(address, table.lookup(address), clock.now()),
      ...this.#asked(key(address)),
      windowSeconds: table.policy.windowMs / 1000,
      users: logins.map((login) => ({
        user: login.user,
        service: login.service,
        server: login.server,
        lastLogin: iso(login.lastMs),
        since: iso(login.firstMs),
        until: iso(login.lastMs + table.policy.windowMs),
        state: table.loginStateOf(address, login),
      })),
      decisions: table.decisions().filter(isOfInterest).map(decisionFact),
      rules: rulesOf(table, address),
    }
  }

  #asked(address: ClientAddress): { readonly asked?: Api.AskedFact } {
    const asked = this.#parts.asked?.(address)
    return asked === undefined ? {} : { asked: { times: asked.times, last: iso(asked.lastMs) } }
  }

  async decide(request: Api.DecisionRequest): Promise<Api.DecisionAnswer> {
    const { table, clock, onChanges } = this.#parts
    const outcome = await table.applyDecision(decisionOf(request, clock.now(), table.policy.windowMs))
    onChanges([...outcome.earlier, ...outcome.changes])
    const nowMs = clock.now()
    const address = 'address' in request ? (request.address as ClientAddress) : undefined
    const addressesOf = (wanted: (change: TableChange) => boolean) =>
      outcome.changes.filter(wanted).map((change) => change.address)
    return {
      decision: decisionFact(outcome.decision),
      replaced: outcome.replaced.map(decisionFact),
      granted: addressesOf(({ kind }) => kind === 'granted'),
      ended: addressesOf(({ kind }) => kind === 'ended'),
      stillOpen: outcome.stillOpen.map((authorization) => listEntry(authorization, nowMs)),
      ...(address === undefined ? {} : { verdict: checkAnswer(address, table.lookup(address), nowMs) }),
    }
  }

  async flush(): Promise<Api.FlushAnswer> {
    const { earlier, changes, stillOpen } = await this.#parts.table.flush()
    this.#parts.onChanges([...earlier, ...changes])
    return { ended: changes.filter(({ kind }) => kind === 'ended').length, kept: stillOpen.length }
  }

  async importLogins(logins: readonly Login[]): Promise<Api.ImportAnswer> {
    const { changes, outcomes } = await this.#parts.table.commit({ logins })
    this.#parts.onChanges(changes)
    const refused = outcomes.filter((outcome) => outcome.kind === 'refused')
    const stale = outcomes.filter(({ kind }) => kind === 'stale').length
    return { admitted: outcomes.length - refused.length - stale, stale, refused: refused.map(refusal) }
  }

  /** Removes everything that is over; resolves to the number of addresses removed. @throws {TableError} */
  async sweep(): Promise<number> {
    const { table, clock, onChanges } = this.#parts
    const before = table.stats().addresses
    while ((table.nextExpiryMs() ?? Number.POSITIVE_INFINITY) <= clock.now()) onChanges(await table.sweep())
    return Math.max(0, before - table.stats().addresses)
  }
}

/** A decision as it is put in force at `nowMs`: an allow of an address lasts one window unless told otherwise. */
function decisionOf(request: Api.DecisionRequest, nowMs: number, windowMs: number): Decision {
  const { kind, forSeconds } = request
  const lastsMs =
    forSeconds !== undefined ? forSeconds * 1000 : kind === 'allow' && 'address' in request ? windowMs : undefined
  const times = { kind, atMs: nowMs, ...(lastsMs === undefined ? {} : { untilMs: nowMs + lastsMs }) }
  return 'user' in request ? { ...times, user: request.user } : { ...times, address: request.address as ClientAddress }
}

function refusal(outcome: Extract<LoginOutcome, { kind: 'refused' }>): Api.ImportAnswer['refused'][number] {
  return { user: outcome.login.user, address: outcome.login.address, detail: outcome.detail }
}

function rulesOf(table: AuthorizationTable, address: ClientAddress): Api.WhyAnswer['rules'] {
  const { never, always, staticVeto } = table.policy
  const [closed, opened, entry] = [never.find(address), always.find(address), staticVeto(address, 128)]
  return [
    ...(closed === undefined ? [] : [{ kind: 'never' as const, text: `${closed.network.text} (${closed.label})` }]),
    ...(entry === undefined ? [] : [{ kind: 'static' as const, text: entry }]),
    ...(opened === undefined ? [] : [{ kind: 'always' as const, text: `${opened.network.text} (${opened.label})` }]),
  ]
}

function listEntry(authorization: Authorization, nowMs: number): Api.ListEntry {
  const { address, reason, untilMs, users } = authorization
  const firstMs = users.reduce((first, login) => Math.min(first, login.firstMs), Number.POSITIVE_INFINITY)
  return {
    address,
    users: users.map(({ user }) => user),
    services: [...new Set(users.map(({ service }) => service))],
    since: reason === 'login' && users.length > 0 ? iso(firstMs) : null,
    ...endOf(untilMs, nowMs),
    reason,
  }
}

function checkAnswer(address: ClientAddress, verdict: Verdict, nowMs: number): Api.CheckAnswer {
  const { authorized, reason, untilMs, loginMs, detail } = verdict
  const lastLogin = loginMs === undefined ? {} : { lastLogin: iso(loginMs) }
  return { address, authorized, reason, ...endOf(authorized ? untilMs : undefined, nowMs), ...lastLogin, detail }
}

function endOf(untilMs: number | undefined, nowMs: number): { until: string | null; secondsLeft: number | null } {
  if (untilMs === undefined) return { until: null, secondsLeft: null }
  return { until: iso(untilMs), secondsLeft: Math.max(0, Math.floor((untilMs - nowMs) / 1000)) }
}

function decisionFact(decision: Decision): Api.DecisionFact {
  const { kind, atMs, untilMs } = decision
  const whom = 'user' in decision ? { user: decision.user } : { address: decision.address as string }
  return { kind, ...whom, at: iso(atMs), until: untilMs === undefined ? null : iso(untilMs) }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}
