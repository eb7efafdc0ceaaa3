/** Writing to standard output: whole texts, JSON documents, and time for people. */
import { escapeInJson } from '../lib/escape.ts'
import type { CliContext } from './context.ts'

/** Writes `text` and waits while the reader is slow. Quietly does nothing once nobody reads. */
export async function print(
  { stdout, outputClosed }: Pick<CliContext, 'stdout' | 'outputClosed'>,
  text: string | Buffer,
): Promise<void> {
  if (outputClosed.aborted || text.length === 0 || stdout.write(text)) return
  await new Promise<void>((resolve) => {
    const go = () => {
      stdout.off('drain', go)
      outputClosed.removeEventListener('abort', go)
      resolve()
    }
    stdout.once('drain', go)
    outputClosed.addEventListener('abort', go)
  })
}

/** Writes one JSON document, indented. JSON escapes control characters by itself; other unsafe ones are written as `\uNNNN`. */
export async function printJson(context: CliContext, value: unknown): Promise<void> {
  await print(context, `${jsonText(value, 2)}\n`)
}

/** JSON that is safe on a terminal too: no control, invisible or direction-changing character. */
export function jsonText(value: unknown, indent?: number): string {
  return escapeInJson(JSON.stringify(value, undefined, indent))
}

export { counted } from '../lib/counted.ts'

/** Local time of an ISO 8601 time: `2026-11-22 16:44:10`; with `sameDayAs` only `16:44:10` where it is that day. */
export function localTime(iso: string, sameDayAs?: number): string {
  const at = new Date(iso)
  const two = (n: number) => String(n).padStart(2, '0')
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')
  if (sameDayAs !== undefined && new Date(sameDayAs).toDateString() === at.toDateString()) return time
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`
}
