/** Reads the whole table a slice at a time, for as long as it is wanted. */
import type { Authorization } from '../core/authorization.ts'
import type { WholeTable } from './publisher.ts'

/** Least that a slice holds, but for the last: each may become a write of its own. */
const LEAST = 500

/** The slices, small ones put together. What changes meanwhile is published afterwards. @throws the signal's reason once it aborts */
export async function* slicesOf(
  all: ReturnType<WholeTable>,
  signal: AbortSignal,
): AsyncGenerator<readonly Authorization[]> {
  let slice: Authorization[] = []
  for await (const some of all) {
    signal.throwIfAborted()
    for (const one of some) slice.push(one)
    if (slice.length < LEAST) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}
