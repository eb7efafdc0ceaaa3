/** What is said of a log whose lines are dated far from the clock. */

/** Lines of one log that are dated ahead of the clock, or come in behind it, all by about the same. */
export interface TimeTrouble {
  readonly kind: 'ahead' | 'behind'
  /** How far, milliseconds, above 0; whole quarter hours where the zone is the likely cause. */
  readonly offsetMs: number
  /** `zone`: written in another zone than they are read in. `clock`: they name their zone, so a clock is wrong. `either`: it cannot be told. */
  readonly cause: 'zone' | 'clock' | 'either'
  /** IANA names of zones that would explain it, the likeliest first; only for the cause `zone`. */
  readonly zones: readonly string[]
  /** The zone in which they are read, as configured. */
  readonly timezone: string
  /** True where their logins open nothing. */
  readonly isLost: boolean
  /** Logins of the run, and when its first and its latest were read, Unix milliseconds. */
  readonly logins: number
  readonly sinceMs: number
  readonly lastMs: number
}

/** One sentence for people, to stand behind the name of the log. */
export function timeWords(trouble: TimeTrouble): string {
  const { kind, offsetMs, isLost } = trouble
  const distance = `${distanceWords(offsetMs)} ${kind === 'ahead' ? 'ahead of' : 'behind'} the clock`
  const effect = isLost ? 'and their logins open nothing' : 'and their logins open for that much less'
  return `lines are ${distance}, ${effect}: ${causeWords(trouble)}`
}

function causeWords({ cause, zones, timezone }: TimeTrouble): string {
  if (cause === 'clock')
    return 'they name their zone, so the clock of this host or of the one that writes them is wrong'
  if (cause === 'either')
    return `the clock of a host is wrong, or they are not written in the zone ${timezone} (timezone)`
  const guess = zones.length > 0 ? ` (${zones.join(', ')}?)` : ''
  return `they are probably written in another zone than ${timezone}${guess}; set timezone: for this source`
}

/** `2 h`, `5 h 45 min`, `12 min`. */
function distanceWords(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  return [hours > 0 ? `${hours} h` : '', rest > 0 || hours === 0 ? `${rest} min` : ''].filter(Boolean).join(' ')
}
