/** The maps without a daemon: brought in step with the table, or closed, by the same publishers as the daemon's. */
import { PopauthdError, reasonAndMend, reasonOf } from '../errors.ts'
import type { Publishers } from '../publishers/for-config.ts'
import type { FormerMaps } from '../publishers/former/former-maps.ts'
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

/** Notes which maps there are: to be awaited before any is written. Gives what stood in the way, as of a map; nothing where nothing did. Never rejects. */
export async function noteMaps(former: FormerMaps): Promise<PruneAnswer['maps']> {
  try {
    await former.note()
    return []
  } catch (error) {
    return [{ name: 'maps no longer configured', state: 'failing', problem: reasonAndMend(error) }]
  }
}

/** Closes the maps that are no longer configured. Never rejects. */
export async function closeFormerMaps(former: FormerMaps): Promise<PruneAnswer['maps']> {
  const noted = await noteMaps(former)
  if (noted.length > 0) return noted
  try {
    const results = await former.close(AbortSignal.timeout(PUBLISH_MS))
    return results.map(({ name, problem }) => ({
      name: `${name} (no longer configured)`,
      ...(problem === undefined ? { state: 'closed' } : { state: 'failing', problem }),
    }))
  } catch (error) {
    return [{ name: 'maps no longer configured', state: 'failing', problem: reasonAndMend(error) }]
  }
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
    const { name, trouble } = publisher
    const state = all === undefined ? 'closed' : 'in_step'
    return { name, state, ...(trouble === undefined ? {} : { problem: trouble }) }
  } catch (error) {
    const mend = error instanceof PopauthdError && error.mend !== undefined ? `; ${error.mend}` : ''
    return { name: publisher.name, state: 'failing', problem: `${reasonOf(error)}${mend}` }
  }
}
