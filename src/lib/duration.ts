/** Durations as people type and read them: `90s`, `30m`, `1h`, `7d`, and sums like `1h30m`. */
import { UsageError } from '../errors.ts'

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const LONGEST_SECONDS = 10 * 365 * 86_400

/**
 * Seconds in `text`: whole numbers with a unit (s, m, h, d, w), largest unit first, without blanks.
 * @throws {UsageError} where it is none, is zero, or is longer than ten years
 */
export function parseDuration(text: string): number {
  const mend = 'write a whole number with a unit: 90s, 30m, 1h, 7d, or 1h30m'
  if (!/^(\d{1,9}[smhdw]){1,5}$/.test(text)) throw new UsageError(`"${text}" is not a duration`, { mend })
  const parts = [...text.matchAll(/(\d+)([smhdw])/g)].map(([, count, unit]) => ({
    count: Number(count),
    unitSeconds: UNIT_SECONDS[unit as string] as number,
  }))
  const descending = parts.every((part, i) => i === 0 || part.unitSeconds < (parts[i - 1]?.unitSeconds ?? 0))
  if (!descending) throw new UsageError(`"${text}" is not a duration: the larger unit comes first, each once`, { mend })
  const seconds = parts.reduce((sum, part) => sum + part.count * part.unitSeconds, 0)
  if (seconds === 0) throw new UsageError(`"${text}" lasts no time at all`, { mend })
  if (seconds > LONGEST_SECONDS) throw new UsageError(`"${text}" is longer than ten years`, { mend })
  return seconds
}

/** Seconds in words of at most two units, rounded down: `45 s`, `29 min 30 s`, `2 h`, `6 d 23 h`. Negative counts as 0. */
export function formatDuration(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [name, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.length > 0 ? parts.join(' ') : '0 s'
}
