/** The maps without a daemon: brought in step with the table, or closed, by the same publishers as the daemon's. */
import type { Config } from '../config/config.ts'
import type { Authorization } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { PopauthdError, reasonOf } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { SendmailAccessPublisher } from '../publishers/sendmail-access/sendmail-access-publisher.ts'
import type { PruneAnswer } from './api-types.ts'

/** Longest time that a map may take: a hung makemap must not hold up the next run. */
const PUBLISH_MS = 120_000

/** What the publisher has to say about entries that it moved or left out. */
export type Notice = (message: string, fields: Record<string, unknown>) => void

/** The sendmail map's publisher, where it is switched on. `isKnown` as in its options. */
export function openPublisher(
  config: Config,
  clock: Clock,
  isKnown: (address: ClientAddress) => boolean,
  notice: Notice,
): SendmailAccessPublisher | undefined {
  const { sendmailAccess, admission } = config
  if (!sendmailAccess.enabled) return undefined
  return new SendmailAccessPublisher({
    config: sendmailAccess,
    always: admission.always,
    ipv6Prefix: admission.ipv6Prefix,
    stateDirectory: config.stateDirectory,
    clock,
    isKnown,
    notice,
  })
}

/** Makes the map equal to `all`; without `all`, closes it: static entries only. Never rejects: a failure is part of the answer. */
export async function syncMap(
  publisher: SendmailAccessPublisher,
  all: (() => Iterable<Authorization>) | undefined,
): Promise<PruneAnswer['maps'][number]> {
  const signal = AbortSignal.timeout(PUBLISH_MS)
  try {
    if (all === undefined) await publisher.closeAll(signal)
    else await publisher.resync(all, signal)
    return { name: publisher.name, state: all === undefined ? 'closed' : 'in_step' }
  } catch (error) {
    const mend = error instanceof PopauthdError && error.mend !== undefined ? `; ${error.mend}` : ''
    return { name: publisher.name, state: 'failing', problem: `${reasonOf(error)}${mend}` }
  }
}
