/** Which parsers look at what a source gives. */
import type { SourceConfig } from '../config/config.ts'
import { runsSystemd } from '../lib/service-manager.ts'
import type { Parser } from '../parsers/parser.ts'
import { heedSenders } from '../parsers/sender.ts'

/** In the journal it counts who wrote a line; Whoson has no lines. */
export function parsersFor(config: SourceConfig | 'stdin', parsers: readonly Parser[]): readonly Parser[] {
  if (config !== 'stdin' && config.kind === 'whoson') return []
  if (config === 'stdin' || config.kind !== 'journal') return parsers
  return heedSenders(parsers, config.senders ?? [], { isLive: true, needsUnit: runsSystemd() })
}
