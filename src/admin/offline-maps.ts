/** The maps without a daemon: brought in step with the table, or closed, by the same publishers as the daemon's. */
import { PopauthdError, reasonOf } from '../errors.ts'
import type { Publishers } from '../publishers/for-config.ts'
import type { Publisher, WholeTable } from '../publishers/publisher.ts'
import type { PruneAnswer } from './api-types.ts'

/** Longest time that a map may take: a hung makemap must not hold up the next run. */
const PUBLISH_MS = 120_000

/** Makes every map equal to `all`; without `all`, closes them: what is the operator's own stays. All at a time: one that hangs keeps no other open. Never rejects: a failure is part of the answer. */
export async function syncMaps(
  { all: publishers }: Publishers,
  all: WholeTable | undefined,
): Promise<PruneAnswer['maps']> {
  return await Promise.all(publishers.map(({ publisher }) => syncMap(publisher, all)))
}

/** Ends what the publishers hold. */
export async function closePublishers({ all }: Publishers): Promise<void> {
  for (const { publisher } of all) await publisher[Symbol.asyncDispose]()
}

async function syncMap(publisher: Publisher, all: WholeTable | undefined): Promise<PruneAnswer['maps'][number]> {
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
