/** Long work in pieces, so that whatever else there is to do is done in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** As many as take less than a millisecond where each reads the table. */
const PIECE = 32

/** As `items.map(action)`, with a turn of the event loop between pieces. */
export async function mapInTurns<T, R>(items: readonly T[], action: (item: T, index: number) => R): Promise<R[]> {
  const results: R[] = []
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % PIECE === 0) await nextTurn()
    results.push(action(item, index))
  }
  return results
}
