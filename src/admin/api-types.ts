/**
 * Questions and answers of the control API: plain JSON. Times are ISO 8601 UTC with milliseconds; `until: null` means
 * without end. Names, users and details hold log text: untrusted, to be escaped where shown.
 */
import type { TableChange, VerdictReason } from '../core/authorization.ts'
import type { Service } from '../core/login.ts'

/** Path of each route. */
export const apiPaths = {
  status: '/v1/status',
  list: '/v1/authorizations',
  check: '/v1/check',
  why: '/v1/why',
  decisions: '/v1/decisions',
  flush: '/v1/flush',
  prune: '/v1/prune',
  logins: '/v1/logins',
  changes: '/v1/changes',
} as const

/** Longest request body that the API takes. */
export const maxBodyBytes = 1024 * 1024
/** Most logins in one request to import. */
export const maxLoginsPerRequest = 1000
/** Longest user name in a request; longer ones are never in the table. */
export const maxUserLength = 1024
/** Longest time an allow or block may be given: ten years. */
export const maxDecisionSeconds = 10 * 365 * 86_400

/** An error as the API gives it. */
export interface ApiError {
  readonly error: string
  readonly mend?: string
  /** Exit code that the command line gives: 2 where the request is wrong, 3 where the daemon cannot do it. */
  readonly exitCode: 2 | 3
}

/** A line that looks like a login and is none. Texts are cut, and already escaped for a terminal. */
export interface FailedLineFact {
  /** When it was read. */
  readonly at: string
  readonly reason: string
  /** Where the grammar failed in the whole line, 1-based, as `explain` tells it. */
  readonly column: number
  /** The part of the line around that place. */
  readonly line: string
  /** True where another program wrote it. */
  readonly foreign: boolean
}

/** A run of such lines of one server without a login between them, long enough to be said. */
export interface DriftFact {
  /** `drift`: the server has logged in before; `attempts`: it never has. */
  readonly kind: 'drift' | 'attempts'
  readonly lines: number
  /** How many of them other programs wrote. */
  readonly foreign: number
  /** When the first and the latest of them were read. */
  readonly since: string
  readonly last: string
}

/** What came of one server's lines in one log, since the log was first read. */
export interface ServerFact {
  /** Id of the parser. */
  readonly server: string
  readonly logins: number
  /** Time of the line of the latest login. */
  readonly lastLogin: string | null
  readonly logouts: number
  /** Lines that look like its logins and are none, and how many of them other programs wrote. */
  readonly rejected: number
  readonly foreign: number
  readonly drift?: DriftFact
  /** The last few of them since the daemon started, newest first. */
  readonly recent: readonly FailedLineFact[]
}

/** Lines of a log that are dated ahead of the clock, or come in behind it. */
export interface TimeFact {
  readonly kind: 'ahead' | 'behind'
  /** How far. */
  readonly seconds: number
  /** `zone`: the log is written in another zone than it is read in. `clock`: a clock is wrong. `either`: it cannot be told. */
  readonly cause: 'zone' | 'clock' | 'either'
  /** IANA names of zones that would explain it, the likeliest first. */
  readonly zones: readonly string[]
  /** So many logins, and when the first and the latest of them were read. */
  readonly logins: number
  readonly since: string
  readonly last: string
  /** One sentence. */
  readonly detail: string
}

/** One source of log lines. */
export interface SourceStatus {
  readonly id: string
  /** Name for people: the path, or `journal`. */
  readonly origin: string
  /** Position up to which lines are committed; null before the first. Keys are the source's own. */
  readonly position: Readonly<Record<string, string | number | boolean | null>> | null
  /** True once it has been read to its end since the daemon started. */
  readonly caughtUp: boolean
  /** Bytes known to be left to read, and how much of what there was has been read since the start. Left out where all is read, or nothing is known. */
  readonly behindBytes?: number
  readonly readPercent?: number
  /** What is wrong with it, if anything. */
  readonly trouble?: string
  /** Set where its lines are dated far from the clock. */
  readonly time?: TimeFact
  /** The servers of which it holds anything, those that drift first. Left out where no daemon runs. */
  readonly servers?: readonly ServerFact[]
  /** What the source itself has counted since the start (a syslog receiver: messages, connections, what it refused), in snake_case. */
  readonly counts?: Readonly<Record<string, number>>
}

/** One MTA map that is kept in step. */
export interface PublisherStatus {
  readonly name: string
  readonly state: 'in_step' | 'behind' | 'failing'
  /** Why it fails, and when it is tried again; of a map in step, what is to be mended all the same. */
  readonly problem?: string
  readonly retryAt?: string
}

/** One socket that answers an MTA's lookups. */
export interface ResponderStatus {
  readonly name: string
  readonly lookups: number
  readonly authorized: number
  readonly connections: number
}

/** How the daemon is doing. `daemon: false`: none runs, and what it alone would know is left out. */
export interface StatusAnswer {
  readonly daemon: boolean
  /** True once all sources have been read to their end since the daemon started: what `check` says is the whole truth from then on. */
  readonly ready: boolean
  readonly version: string
  readonly pid?: number
  readonly startedAt?: string
  readonly stateDirectory: string
  readonly windowSeconds: number
  readonly whenStopped: 'close' | 'until_expiry'
  readonly table: {
    /** Addresses with facts, expired ones that were not swept yet included. */
    readonly addresses: number
    /** Addresses that may relay, as counted last: seconds ago, minutes where there are very many. Null while a large table is counted for the first time. */
    readonly authorized: number | null
    readonly decisions: number
    /** Size of the table's file. */
    readonly bytes?: number
  }
  readonly sources: readonly SourceStatus[]
  readonly publishers: readonly PublisherStatus[]
  readonly responders: readonly ResponderStatus[]
  /** Names as in events.ts, without prefix. */
  readonly counters: Readonly<Record<string, number>>
}

/** One address that may relay now. The list is a stream of these, one JSON object a line, ended by a {@link ListEnd}. */
export interface ListEntry {
  readonly address: string
  /** Users whose logins hold it open, newest login first; empty for allowed ones. */
  readonly users: readonly string[]
  readonly services: readonly Service[]
  /** Start of the unbroken authorization; null where it is not known (allowed, always). */
  readonly since: string | null
  readonly until: string | null
  readonly secondsLeft: number | null
  readonly reason: 'login' | 'always' | 'allowed'
  /** Absent where no MTA asked since the daemon started, or none runs. */
  readonly asked?: AskedFact
}

/** How often MTAs found that an address may relay, since the daemon started. Map files are read without a question. */
export interface AskedFact {
  readonly times: number
  readonly last: string
}

/** Last line of the list: without it the list is not whole. An {@link ApiError} in its place says why. */
export interface ListEnd {
  readonly count: number
}

/** Answer of `check`. `until` and `secondsLeft` are null where there is no end, or where it is not authorized. */
export interface CheckAnswer {
  readonly address: string
  readonly authorized: boolean
  readonly reason: VerdictReason
  readonly until: string | null
  readonly secondsLeft: number | null
  /** Time of the login that opens it; left out where none does. */
  readonly lastLogin?: string
  /** One sentence, without times. */
  readonly detail: string
}

/** A user's last login from an address. */
export interface UserFact {
  readonly user: string
  readonly service: Service
  readonly server: string
  readonly lastLogin: string
  /** Start of this user's unbroken authorization. */
  readonly since: string
  /** End of what this login opens by itself. */
  readonly until: string
  /** What it is worth now: it opens, or why it opens nothing. */
  readonly state: 'open' | 'blocked' | 'revoked' | 'too_many_addresses' | 'expired' | 'ahead_of_clock'
}

/** A decision of an operator. */
export interface DecisionFact {
  readonly kind: 'allow' | 'block' | 'revoke'
  readonly address?: string
  readonly user?: string
  readonly at: string
  readonly until: string | null
}

/** Every fact about an address. */
export interface WhyAnswer extends CheckAnswer {
  readonly windowSeconds: number
  readonly users: readonly UserFact[]
  /** Decisions on the address, and on users who logged in from it. */
  readonly decisions: readonly DecisionFact[]
  /** Absent where no MTA asked since the daemon started, or none runs. */
  readonly asked?: AskedFact
  /** Configured networks and static map entries that hold the address. */
  readonly rules: readonly { readonly kind: 'never' | 'always' | 'static'; readonly text: string }[]
}

/** What an operator asks for. The time of the decision is the daemon's. An allow of a user takes back a block of that user, no more. */
export type DecisionRequest = {
  readonly kind: 'allow' | 'block' | 'revoke'
  /** How long an allow or block lasts. Absent: an allow lasts one window, a block until taken back. */
  readonly forSeconds?: number
} & ({ readonly address: string } | { readonly user: string })

/** What a decision did. */
export interface DecisionAnswer {
  readonly decision: DecisionFact
  /** Earlier decisions that it took the place of or took back. */
  readonly replaced: readonly DecisionFact[]
  /** Addresses that may relay from now on, and addresses that no longer may. */
  readonly granted: readonly string[]
  readonly ended: readonly string[]
  /** Addresses that the decision names, or that its user logged in from, and that may still (or now) relay: by whom. */
  readonly stillOpen: readonly ListEntry[]
  /** The address's verdict after the decision, where the decision names one. */
  readonly verdict?: CheckAnswer
}

/** What flush did, in addresses: `kept` are those that no login holds open (allowed, always). */
export interface FlushAnswer {
  readonly ended: number
  readonly kept: number
}

/** What a sweep removed, and which maps were brought in step. */
export interface PruneAnswer {
  readonly daemon: boolean
  /** Why the table could not be swept, or not even opened: only then the maps are closed. */
  readonly problem?: string
  /** Why there was nothing to do: popauthd was never used on this host, and nothing was made. */
  readonly nothing?: string
  /** Addresses whose facts were removed. */
  readonly removed: number
  /** Addresses that may relay now. */
  readonly authorized: number
  /** Maps brought in step or, with `when_stopped: close` and no daemon, emptied of all but static entries; so are those that are no longer configured. */
  readonly maps: readonly {
    readonly name: string
    readonly state: 'in_step' | 'closed' | 'failing'
    /** Why it fails; of another, what is to be mended all the same. */
    readonly problem?: string
  }[]
}

/** A login to take over, for instance from access.info. */
export interface LoginToImport {
  readonly user: string
  readonly address: string
  readonly service: Service
  readonly server: string
  readonly at: string
}

/** What became of imported logins. Numbers add up to the number sent. */
export interface ImportAnswer {
  readonly admitted: number
  /** Older than a window: they open nothing. */
  readonly stale: number
  readonly refused: readonly { readonly user: string; readonly address: string; readonly detail: string }[]
}

/** One change, as the stream of changes gives it: one JSON object a line. */
export interface ChangeEvent {
  readonly kind: TableChange['kind']
  readonly address: string
  readonly at: string
  readonly until: string | null
  readonly reason: VerdictReason
  readonly user?: string
}
