/** The daemon's own log: JSON lines, readable lines on a terminal. */
import { type Logger, pino } from 'pino'
import { escapeForTerminal } from './lib/escape.ts'

export type { Logger }

/** How the log looks and how much it says. */
export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
}

const COLORS: Record<number, string> = { 20: '\x1b[2m', 30: '\x1b[36m', 40: '\x1b[33m', 50: '\x1b[31m', 60: '\x1b[31m' }
const NAMES: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

/** Makes the root logger. It writes to standard error, so that standard output stays free for data. */
export function createLogger(options: LogOptions): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const base = { level: options.level, base: null, timestamp: true } as const
  if (!pretty)
    return pino({ ...base, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }))
  const color = process.stderr.isTTY === true && process.env.NO_COLOR === undefined
  return pino(base, { write: (line: string) => void process.stderr.write(prettyLine(line, color)) })
}

function prettyLine(json: string, color: boolean): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown> & { level: number; time: number }
  const clock = new Date(time).toTimeString().slice(0, 8)
  const name = (NAMES[level] ?? 'info').padEnd(5)
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${escapeForTerminal(plain(value))}`)
  const mark = color ? `${COLORS[level] ?? ''}${name}\x1b[0m` : name
  return `${clock} ${mark} ${escapeForTerminal(String(msg))}${rest.length > 0 ? `  ${rest.join(' ')}` : ''}\n`
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
