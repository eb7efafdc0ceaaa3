/** From an entry of the configuration to the source that reads it. */
import type { SourceConfig } from '../config/config.ts'
import type { Verdict } from '../core/authorization.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { Clock } from '../lib/clock.ts'
import { FifoSource } from './fifo-source.ts'
import { FileSource } from './file/file-source.ts'
import { JournalSource } from './journal/journal-source.ts'
import { ReportSource } from './reports/report-source.ts'
import type { Source, SourceNotice } from './source.ts'
import { StdinSource } from './stdin-source.ts'
import { SyslogSource } from './syslog/syslog-source.ts'
import { WhosonSource } from './whoson/whoson-source.ts'

/** What a source of a daemon needs besides its configuration. */
interface SourceParts {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** At a first start so much is read of what was written before (milliseconds). */
  readonly backlogMs: number
  /** Answers what is asked by those who tell of logins; undefined while the table is not loaded. */
  readonly lookup: (address: ClientAddress) => Verdict | undefined
}

/** The source of an entry of `sources`, or standard input. */
export function sourceFor(config: SourceConfig | 'stdin', { backlogMs, lookup, ...common }: SourceParts): Source {
  if (config === 'stdin') return new StdinSource({ ...common, stream: process.stdin })
  if (config.kind === 'journal') return new JournalSource({ ...common, backlogMs })
  if (config.kind === 'fifo') return new FifoSource({ ...common, ...config })
  if (config.kind === 'dovecot_reports') return new ReportSource({ ...common, ...config.reports })
  if (config.kind === 'syslog') return new SyslogSource({ ...common, config: config.receiver })
  if (config.kind === 'whoson') return new WhosonSource({ ...common, config: config.receiver, lookup })
  return new FileSource({ ...common, path: config.path, backlogMs })
}
