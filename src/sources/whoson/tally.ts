/** What is counted of a Whoson source. */
import type { SourceNotice } from '../source.ts'
import { Tally, type TallyOptions } from '../tally.ts'

const NONE_YET = {
  logins: 0,
  logouts: 0,
  queries: 0,
  refused: 0,
  dropped: 0,
  connections: 0,
  connections_refused: 0,
  connections_timed_out: 0,
}

/** What happened since the start; names are those of `status`. */
export type WhosonCounts = Record<keyof typeof NONE_YET, number>

type Trouble = Exclude<keyof WhosonCounts, 'logins' | 'logouts' | 'queries' | 'connections'>

const NOTICE_KINDS: Readonly<Record<Trouble, SourceNotice['kind']>> = {
  refused: 'refused',
  dropped: 'dropped',
  connections_refused: 'refused',
  connections_timed_out: 'refused',
}

/** One for a source. */
export class WhosonTally extends Tally<keyof WhosonCounts, Trouble> {
  constructor(options: TallyOptions) {
    super({ ...NONE_YET }, NOTICE_KINDS, options)
  }
}
