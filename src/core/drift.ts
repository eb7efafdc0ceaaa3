/** What is said of a server whose lines look like logins and are none. */

/** A run of such lines of one server without a login between them. */
export interface Drift {
  /** `drift`: the server has logged in before, so its format may have changed. `attempts`: it never has; somebody may imitate it. */
  readonly kind: 'drift' | 'attempts'
  /** Id of the parser that came closest. */
  readonly server: string
  /** Lines of the run, and how many of them other programs wrote. */
  readonly lines: number
  readonly foreign: number
  /** When its first and its latest line were read, Unix milliseconds. */
  readonly sinceMs: number
  readonly lastMs: number
}

/** One sentence for people; `since` is its time as they read it. */
export function driftWords({ kind, server, lines }: Pick<Drift, 'kind' | 'server' | 'lines'>, since: string): string {
  const seen = `${server}: ${lines} ${lines === 1 ? 'line looks like a login' : 'lines look like logins'}`
  const why =
    kind === 'drift'
      ? `but none matched since ${since}: did its log format change?`
      : `since ${since}, and none ever was one: somebody may be trying, or the format is not known.`
  return `${seen} ${why} popauthd explain '<line>'`
}
