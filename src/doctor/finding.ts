/** The contract of the checks of `popauthd doctor`: each looks at one thing of this host and says what it found. */
import type { StatusAnswer } from '../admin/api-types.ts'
import type { Config, SourceConfig } from '../config/config.ts'
import type { Accounts } from './accounts.ts'

/** `problem`: to be mended. `warning`: works, and lets in more than it might. `unknown`: could not be looked at. */
export type FindingVerdict = 'ok' | 'warning' | 'problem' | 'unknown'

/** One thing that was looked at. Texts may hold names of files and users: untrusted, to be escaped where shown. */
export interface Finding {
  /** What was looked at, one word: `log`, `table`, `state`. */
  readonly check: string
  /** Which one: a path, the name of a source. */
  readonly subject: string
  readonly verdict: FindingVerdict
  /** What was found, a sentence. */
  readonly text: string
  /** What to do about it; of several ways the best first. */
  readonly mends: readonly string[]
}

/** What is known of the daemon. */
export type DaemonState =
  | { readonly kind: 'runs'; readonly status: StatusAnswer }
  | { readonly kind: 'none' }
  /** It may run, but does not answer, or may not be asked. `denied`: for want of rights. */
  | { readonly kind: 'silent'; readonly problem: string; readonly denied: boolean }

/** Where to look on this host; tests look elsewhere. */
export interface HostPlaces {
  /** Directory of processes (procfs). */
  readonly proc: string
  /** Configuration files of syslog daemons, and directories of such. */
  readonly syslogConfigs: readonly string[]
  /** The socket that every program may log to. */
  readonly logSocket: string
  /** Where a job that runs `popauthd prune` can stand: links of timers that are switched on, crontabs and directories of them. */
  readonly timerLinks: readonly string[]
  readonly crontabs: readonly string[]
  readonly journalDirectories: readonly string[]
}

/** The host as the checks see it, with the configuration that the daemon would use. */
export interface Host {
  readonly config: Config
  /** The file that was read; undefined: the defaults apply. */
  readonly configFile: string | undefined
  readonly configWarnings: readonly string[]
  /** What the daemon follows. */
  readonly sources: readonly SourceConfig[]
  /** Why no source could be found; undefined where there is one. */
  readonly sourceProblem:
    | { readonly text: string; readonly mend: string | undefined; readonly denied: boolean }
    | undefined
  readonly daemon: DaemonState
  readonly accounts: Accounts
  /** User id that the daemon runs as, as far as can be told. */
  readonly daemonUid: number
  readonly places: HostPlaces
}

/** One check. Whatever it cannot look at is a finding `unknown`; it does not throw for that. */
export type Check = (host: Host) => readonly Finding[] | Promise<readonly Finding[]>

/** Makes the findings of one check on one subject. */
export function findingsOf(check: string, subject: string) {
  const make =
    (verdict: FindingVerdict) =>
    (text: string, ...mends: readonly string[]): Finding => ({ check, subject, verdict, text, mends })
  return { ok: make('ok'), warning: make('warning'), problem: make('problem'), unknown: make('unknown') }
}
