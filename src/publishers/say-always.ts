/** Gives a publisher the networks that may relay without a login, without those that its copy has no way to say. */
import type { Network } from '../core/client-address.ts'
import { UsageError } from '../errors.ts'
import type { Publishers } from './for-config.ts'
import type { Publisher } from './publisher.ts'

/** Tells the operator what a publisher met and coped with. */
export type Notice = (message: string, fields: Record<string, unknown>) => void

/** Networks that may relay without a login: for the access map, which holds its static entries itself, and for all other maps. */
export interface AlwaysOpen {
  readonly accessMap: readonly Network[]
  readonly others: readonly Network[]
}

/** Those that are one publisher's. */
export function alwaysOf(
  publisher: Publisher,
  { sendmail }: Publishers,
  open: AlwaysOpen | undefined,
): readonly Network[] {
  return (publisher === sendmail ? open?.accessMap : open?.others) ?? []
}

const MOST_NAMED = 5

/**
 * What an operator configured is refused at the start where a map cannot say it. But what is left of a network where `never` or a block takes a
 * part out of it can be unsayable as well, and must stop neither the daemon nor the block: that is left out of the copy, and told.
 */
export function sayAlways(publisher: Publisher, networks: readonly Network[], notice: Notice): void {
  try {
    publisher.setAlways(networks)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const said = networks.filter((network) => canSay(publisher, network))
    const isSaid = new Set(said)
    const leftOut = networks.filter((network) => !isSaid.has(network))
    publisher.setAlways(said)
    notice(`not all that always may relay is open in ${publisher.name}: ${error.message}`, {
      left_out: leftOut.slice(0, MOST_NAMED).map(({ text }) => text),
      count: leftOut.length,
      mend: 'let the MTA ask popauthd instead, or name networks in admission.always that hold no address of never or of a block',
    })
  }
}

function canSay(publisher: Publisher, network: Network): boolean {
  try {
    publisher.setAlways([network])
    return true
  } catch (error) {
    if (error instanceof UsageError) return false
    throw error
  }
}
