/** Reads the whole table a piece at a time, so that a large one keeps nobody waiting. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Authorization } from '../core/authorization.ts'

const SLICE = 500

/** The authorizations in slices of some hundreds, with a turn of the event loop after each. What changes meanwhile is published afterwards. @throws the signal's reason once it aborts */
export async function* slicesOf(
  all: Iterable<Authorization>,
  signal: AbortSignal,
): AsyncGenerator<readonly Authorization[]> {
  let slice: Authorization[] = []
  for (const authorization of all) {
    slice.push(authorization)
    if (slice.length < SLICE) continue
    yield slice
    slice = []
    await nextTurn()
    signal.throwIfAborted()
  }
  if (slice.length > 0) yield slice
}
