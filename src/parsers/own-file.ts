/** What the parsers of servers that write a log file of their own, in a layout of their own, have in common. */
import type { LogLine, LogTime } from '../core/log-line.ts'
import { readTime } from './time-field.ts'

/** The time that is the whole of `text`: ISO 8601 with T or a blank, with a zone or without; undefined for anything else. */
export function wholeTime(text: string): LogTime | undefined {
  const found = readTime(`${text} `, 0)
  return found?.end === text.length + 1 ? found.time : undefined
}

/**
 * The line of a server's own file. `program` is for the server's parser to know its layout by: with a blank in it, it can be no name that
 * a line of a common layout has. The message begins at `column`.
 */
export function ownFileLine(raw: string, time: LogTime, program: string, column: number): LogLine {
  return {
    envelope: 'own-file',
    time,
    host: '',
    program,
    message: raw.slice(column),
    raw,
    messageColumn: column,
  }
}
