/** Lines of a stream that somebody else writes (a pipe): whole lines as they come, and a sign when it has gone quiet. */
import type { Readable } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import type { LineBuffer } from './line-buffer.ts'

/** Whole lines, or no bytes: nothing has come for a moment. */
export interface StreamRun {
  readonly bytes: Buffer
  readonly quiet: boolean
}

const QUIET: StreamRun = { bytes: Buffer.alloc(0), quiet: true }

/**
 * Reads until the stream ends or is destroyed; a last line without LF is dropped, for it may be cut in its midst.
 * Where nothing came for `quietMs` after a burst of lines, or at the beginning, one run says that all was read. @throws what the stream throws
 */
export async function* streamLines(
  stream: Readable,
  lines: LineBuffer,
  clock: Clock,
  quietMs: () => number,
): AsyncGenerator<StreamRun> {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let toldQuiet = false
  let pending: Promise<IteratorResult<Buffer>> | undefined
  for (;;) {
    pending ??= iterator.next()
    const result: IteratorResult<Buffer> | undefined = toldQuiet
      ? await pending
      : await orQuiet(pending, clock, quietMs())
    if (result === undefined) {
      toldQuiet = true
      yield QUIET
      continue
    }
    pending = undefined
    if (result.done === true) return
    toldQuiet = false
    for (const bytes of lines.push(result.value)) yield { bytes, quiet: false }
  }
}

/** Undefined where `next` takes longer than a moment. */
function orQuiet<T>(next: Promise<T>, clock: Clock, quietMs: number): Promise<T | undefined> {
  let cancel = () => {}
  const quiet = new Promise<undefined>((resolve) => {
    cancel = clock.setTimer(quietMs, () => resolve(undefined))
  })
  return Promise.race([next, quiet]).finally(() => cancel())
}
