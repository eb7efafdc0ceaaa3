/**
 * The cost of a byte does not grow with the length of what a client sends: each field, separator and literal of the samples of each parser is
 * made as long as 32 KiB (256 KiB in a long run). CPU time of a long line against that of a shorter one, the least of several tries.
 */
import { describe, expect, it } from 'vitest'
import { parsers } from '../../src/parsers/index.ts'
import { LoginScanner } from '../../src/parsers/scanner.ts'
import { isLong, longMs, SEED } from '../support/effort.ts'
import { Random } from './support/random.ts'
import { NEWEST_MS, type SampleLog, sampleLogs } from './support/sample-logs.ts'

const SHORT_BYTES = 4 * 1024
const LONG_BYTES = isLong ? 256 * 1024 : 32 * 1024
/** So much more may a byte of the long line cost: quadratic cost would give 8 (64 in a long run). */
const MOST_GROWTH = 4
/** Samples of each parser, different in shape. */
const MOST_SHAPES = isLong ? 1000 : 8
/** What each parser may take in a long run, which then tries what it can in that time. */
const PARSER_MS = (longMs * 0.15) / parsers.length
const ROUNDS = 9
/** Costs below that are those of a call, whatever the line. */
const LEAST_MICROSECONDS = isLong ? 2000 : 150

/** Lines of the samples of a server that differ in more than names and numbers. */
function shapesOf(id: string): { line: string; format: SampleLog['format'] }[] {
  const shapes = new Map<string, { line: string; format: SampleLog['format'] }>()
  const own = sampleLogs.filter(({ server }) => server === id)
  for (const { lines, format } of own.toSorted((a, b) => Number(a.expect === null) - Number(b.expect === null))) {
    for (const line of lines) {
      const shape = line.replace(/[0-9a-f]{2,}|\d+|[\w.]+@[\w.]+/g, '0')
      if (line.length < 1000 && !shapes.has(shape)) shapes.set(shape, { line, format })
    }
  }
  return [...shapes.values()].slice(0, MOST_SHAPES)
}

/** The line with one part repeated to about so many bytes. */
type Grown = readonly [what: string, text: (bytes: number) => string]

function* grownLines(line: string, literals: readonly string[]): Generator<Grown> {
  const repeat = (before: string, unit: string, behind: string) => (bytes: number) =>
    before + unit.repeat(Math.max(1, Math.floor((bytes - before.length - behind.length) / unit.length))) + behind
  for (const { 0: part, index } of line.matchAll(/[A-Za-z0-9@.:_-]+|[^A-Za-z0-9@.:_-]/g)) {
    const behind = line.slice(index + part.length)
    yield [`${JSON.stringify(part)} at ${index} repeated`, repeat(line.slice(0, index), part, behind)]
    if (part.length > 1) {
      yield [
        `${JSON.stringify(part)} at ${index} made longer`,
        repeat(line.slice(0, index) + part, part.at(-1) as string, behind),
      ]
    }
  }
  for (const { index } of line.matchAll(/[ ,;=]/g)) {
    yield [`the text up to ${index} repeated`, repeat('', line.slice(0, index + 1), line.slice(index + 1))]
    yield [`the text from ${index} repeated`, repeat(line.slice(0, index), line.slice(index), '')]
  }
  for (const literal of literals) {
    if (!line.includes(literal)) continue
    const at = line.indexOf(literal)
    yield [`${JSON.stringify(literal)} repeated`, repeat(line.slice(0, at), literal, line.slice(at + literal.length))]
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const random = new Random(SEED)
  return items
    .map((item) => ({ item, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}

/** Microseconds of CPU time that `work` takes, the least of several times. */
function cpuMicroseconds(work: () => void, rounds: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    least = Math.min(least, user + system)
  }
  return least
}

describe.each(parsers.map((parser) => [parser.id, parser] as const))('%s', (id, parser) => {
  const scanner = new LoginScanner({ parsers: [parser], timezone: 'UTC', logouts: true, maxLineBytes: 1 << 24 })
  const shapes = shapesOf(id)
  const literals = [...parser.literals, ...(parser.logoutLiterals ?? [])]

  function scanAgain(text: string, format: SampleLog['format']): () => void {
    const chunk = Buffer.from(`${text}\n`)
    const on = { login: () => {}, logout: () => {}, rejected: () => {} }
    return () => {
      scanner.restore(null)
      scanner.scan(chunk, { format, newestMs: NEWEST_MS }, on)
    }
  }

  /** How much more a byte of the long line costs than one of the short line. */
  function growth(text: Grown[1], format: SampleLog['format'], rounds: number): number {
    const long = cpuMicroseconds(scanAgain(text(LONG_BYTES), format), rounds)
    if (long < LEAST_MICROSECONDS) return 0
    const short = scanAgain(text(SHORT_BYTES), format)
    const times = LONG_BYTES / SHORT_BYTES
    const shorts = cpuMicroseconds(() => {
      for (let i = 0; i < times; i++) short()
    }, rounds)
    return long / Math.max(1, shorts)
  }

  it(`takes time in proportion to the length of a line (${shapes.length} lines)`, () => {
    expect(shapes.length).toBeGreaterThan(0)
    const slow: string[] = []
    const startMs = performance.now()
    for (const { line, format } of isLong ? shuffled(shapes) : shapes) {
      for (const [what, text] of grownLines(line, literals)) {
        if (isLong && performance.now() - startMs > PARSER_MS) break
        // Most are seen to be fast at once; only where not, it is measured with care.
        if (growth(text, format, 1) <= MOST_GROWTH) continue
        const factor = growth(text, format, ROUNDS)
        if (factor > MOST_GROWTH) slow.push(`${what}, ${factor.toFixed(1)} times: ${line}`)
      }
    }
    expect(slow).toEqual([])
  })

  it('looks no closer at a line that is too long', () => {
    const short = new LoginScanner({ parsers: [parser], timezone: 'UTC', logouts: true })
    for (const { line, format } of shapes) {
      for (const [, text] of grownLines(line, literals)) {
        const found: unknown[] = []
        const chunk = Buffer.from(`${text(17 * 1024)}\n`)
        const on = {
          login: (login: unknown) => found.push(login),
          rejected: (rejected: unknown) => found.push(rejected),
        }
        if (chunk.length > 16 * 1024 + 1) short.scan(chunk, { format, newestMs: NEWEST_MS }, on)
        expect(found).toEqual([])
      }
    }
  })
})
