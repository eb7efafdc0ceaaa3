/** However many hosts, processes, sessions, users and addresses a log names, what a scanner keeps has a bound. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { ScanInfo } from '../../src/parsers/scanner.ts'
import { isLong, longMs, SEED } from '../support/effort.ts'
import { Random } from './support/random.ts'
import { newScanner, sampleLogs, scanInto } from './support/sample-logs.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const CHUNK_LINES = 10_000
/** Chunks before the first measurement, and between the two. */
const CHUNKS = isLong ? Math.min(150, 3 + Math.round(longMs / 20_000)) : 3
/** Ten thousand sessions, as many as are kept, take more. */
const MOST_GROWTH_BYTES = 2 * 1024 * 1024
const LONGEST_STATE_BYTES = 4 * 1024 * 1024

function heapBytes(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const hex = (random: Random, digits: number) =>
  Math.floor(random.next() * 16 ** digits)
    .toString(16)
    .padStart(digits, '0')
const below256 = (random: Random) => random.below(256)

/** What takes the place of a name or number of a client, a process, a host or a session. */
const VARIED: readonly (readonly [pattern: RegExp, text: (random: Random) => string])[] = [
  [/198\.51\.100\.\d+|203\.0\.113\.\d+/g, (random) => `11.${below256(random)}.${below256(random)}.${below256(random)}`],
  [/2001:db8:2:[0-9a-f:]+/g, (random) => `2001:db8:2::${hex(random, 4)}`],
  [/(?<=\[)\d{2,10}(?=\])/, (random) => String(random.below(2 ** 31))],
  [/(?<="_PID": ?")\d+/, (random) => String(random.below(2 ** 31))],
  [/(?<=\*)\d+(?= client)/, (random) => String(random.below(1e9))],
  [/(?<=^"(?:IMAPD|POP3D)"\t\d+\t)\d+/, (random) => String(random.below(1e9))],
  [/(?<= (?:IMAP|POP3):)[0-9A-F]{8}/, (random) => hex(random, 8).toUpperCase()],
  [/alice|bob|carol/g, (random) => `u${random.below(1e9)}`],
  [/(?<= )(?:mx1|mail)(?= )/, (random) => `h${random.below(1e9)}`],
]

type Part = string | ((random: Random) => string)

/** The line in parts, so that it is soon put together with other names; times stay. */
function template(line: string): Part[] {
  const marked = VARIED.reduce((text, [pattern], index) => text.replace(pattern, `\u0001${index}`), line)
  return marked.split(/(\u0001\d)/).map((part) => (part[0] === '\u0001' ? (VARIED[Number(part[1])]?.[1] ?? '') : part))
}

function chunkOf(templates: readonly Part[][], random: Random): Buffer {
  const text = (part: Part) => (typeof part === 'string' ? part : part(random))
  const lines = Array.from({ length: CHUNK_LINES }, () => random.pick(templates).map(text).join(''))
  return Buffer.from(`${lines.join('\n')}\n`)
}

const probe = newScanner()

/** True for a line of which a scanner keeps something until the next of its session. */
function isKept(line: string, format: ScanInfo['format']): boolean {
  probe.restore(null)
  scanInto({ logins: [], logouts: [], rejected: [] }, probe, Buffer.from(`${line}\n`), format)
  return probe.snapshot().pending.length > 0
}

describe.each(['lines', 'journal-json'] as const)('a log of %s', (format) => {
  it('takes no more memory the longer it is', () => {
    const random = new Random(SEED)
    // Most of the lines begin sessions of several lines, which never end: of these something is kept.
    const lines = sampleLogs.filter((sample) => sample.format === format).flatMap((sample) => sample.lines)
    const beginnings = lines.filter((line) => isKept(line, format))
    expect(beginnings.length).toBeGreaterThan(0)
    const templates = [
      ...lines,
      ...Array(Math.ceil((9 * lines.length) / beginnings.length))
        .fill(beginnings)
        .flat(),
    ].map((line: string) => template(line))
    const scanner = newScanner()
    const scanSome = () => {
      for (let chunk = 0; chunk < CHUNKS; chunk++) {
        const found = { logins: [], logouts: [], rejected: [] }
        scanInto(found, scanner, chunkOf(templates, random), format)
      }
      return heapBytes()
    }
    scanSome()
    const before = scanSome()
    const after = scanSome()
    expect(after - before).toBeLessThan(MOST_GROWTH_BYTES)
    if (isLong) console.log(`${format}: ${after - before} bytes more after ${CHUNKS * CHUNK_LINES} lines more`)
    expect(JSON.stringify(scanner.snapshot()).length).toBeLessThan(LONGEST_STATE_BYTES)
  })
})
