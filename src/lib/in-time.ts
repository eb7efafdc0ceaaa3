/** Waiting no longer than somebody else does. */
import type { Clock } from './clock.ts'

/** What `promise` gives, or `late` where it has not by then. */
export async function inTime<T>(promise: Promise<T>, ms: number, clock: Clock): Promise<T | 'late'> {
  let cancel = () => {}
  const late = new Promise<'late'>((resolve) => {
    cancel = clock.setTimer(ms, () => resolve('late'))
  })
  return Promise.race([promise, late]).finally(() => cancel())
}
