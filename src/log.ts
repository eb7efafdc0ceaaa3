/** The daemon's own log: JSON lines, readable lines on a terminal. */
import { type Logger, pino } from 'pino'
import { escapeInJson } from './lib/escape.ts'
import { terminalLine } from './terminal-log.ts'

export type { Logger }

/** How the log looks and how much it says. */
export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
}

/** Where lines go: standard error, unless a test listens. */
interface Destination {
  write(line: string): unknown
}

/** Makes the root logger. It writes to standard error, so that standard output stays free for data. Its JSON is safe to look at on a terminal. */
export function createLogger(options: LogOptions, destination?: Destination): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const base = { level: options.level, base: null, timestamp: true } as const
  if (!pretty) {
    const raw = destination ?? pino.destination({ fd: 2, sync: true })
    return pino(
      { ...base, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
      { write: (line: string) => void raw.write(escapeInJson(line)) },
    )
  }
  const color = process.stderr.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  const raw = destination ?? process.stderr
  const write = (line: string) => {
    const width = process.stderr.columns ?? Number.POSITIVE_INFINITY
    raw.write(terminalLine(line, { color, width }))
  }
  return pino(base, { write })
}
