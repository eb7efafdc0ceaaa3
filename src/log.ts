/** The daemon's own log: JSON lines, readable lines on a terminal. */
import { type Logger, pino } from 'pino'
import { terminalLine } from './terminal-log.ts'

export type { Logger }

/** How the log looks and how much it says. */
export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
}

/** Makes the root logger. It writes to standard error, so that standard output stays free for data. */
export function createLogger(options: LogOptions): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const base = { level: options.level, base: null, timestamp: true } as const
  if (!pretty)
    return pino(
      { ...base, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
      pino.destination({ fd: 2, sync: true }),
    )
  const color = process.stderr.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  const write = (line: string) => {
    const width = process.stderr.columns ?? Number.POSITIVE_INFINITY
    process.stderr.write(terminalLine(line, { color, width }))
  }
  return pino(base, { write })
}
