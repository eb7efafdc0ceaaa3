/** Whether what an MTA's own tool finds in a map is what popauthd says. */
import { type Finding, findingsOf } from '../finding.ts'
import type { Subject } from './judge.ts'

/** `says`: the tool's word, `nothing` where it found nothing; `relays`: what that word comes to. */
export function agreement(check: string, { address, authorized }: Subject, says: string, relays: boolean): Finding {
  const { ok, problem } = findingsOf(check, address)
  return relays === authorized
    ? ok(`says ${says}, as popauthd check does`)
    : problem(
        `says ${says}, and popauthd check says that it may ${authorized ? '' : 'not '}relay`,
        'ask once more; it may have changed meanwhile. popauthd status tells of maps that are in trouble',
      )
}
