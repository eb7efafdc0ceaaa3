/** Chunks of sources that are told of logins and read no log. */
import type { Clock } from '../lib/clock.ts'
import type { SourceChunk } from './source.ts'

/** Nothing is resumed from it. */
const POSITION = { v: 1 }
const NO_BYTES = Buffer.alloc(0)

/** What was told in one go: logins, or what ends. */
export type ToldPart = Pick<Required<SourceChunk>, 'logins'> | Pick<Required<SourceChunk>, 'ended'>

/** The chunk with what was told. `origin`: the source, for people. */
export function toldChunk(part: ToldPart, origin: string, clock: Clock): SourceChunk {
  return {
    bytes: NO_BYTES,
    format: 'lines',
    position: POSITION,
    origin,
    newestMs: clock.now(),
    caughtUp: true,
    ...part,
  }
}
