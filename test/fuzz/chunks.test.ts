/** However a log is cut into chunks, and wherever popauthd is started again, the same comes out of it. */
import { expect, it } from 'vitest'
import { readLine } from '../../src/parsers/envelope.ts'
import { parserById } from '../../src/parsers/index.ts'
import { readJournalEntry } from '../../src/parsers/journal-envelope.ts'
import { rounds, SEED } from '../support/effort.ts'
import { Random } from './support/random.ts'
import { type Findings, logOf, newScanner, type SampleLog, sampleLogs, scanInto } from './support/sample-logs.ts'

const reference = newScanner()
const other = newScanner()

const two = (value: number) => String(value).padStart(2, '0')

/** The line with its time this many seconds after 2026-11-22 13:00:00: no log holds lines of different years one among the other. */
function atSecond(line: string, second: number): string {
  const clock = `13:${two(Math.floor(second / 60))}:${two(second % 60)}`
  return line
    .replace(/^(\W*(?:<\d+>1 )?(?:\S+ )*?)\d{4}([-/])\d\d[-/]\d\d([ T])\d\d:\d\d:\d\d/, `$12026$211$222$3${clock}`)
    .replace(/(\t")\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, `$12026-11-22 ${clock}`)
    .replace(/^\d\d\/\d\d\/\d\d \d\d:\d\d:\d\d/, `11/22/26 ${clock}`)
    .replace(/^(<\d+>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/, `$1Nov 22 ${clock}`)
    .replace(/^(\S+ \S+) \+0100 /, '$1 +0000 ')
    .replace(/^(\S+T\d\d:\d\d:\d\d(?:\.\d+)?)[+-]\d\d:?\d\d /, '$1Z ')
    .replace(/^@[0-9a-f]{24}/, '@400000006b02e75a00000000')
    .replace(/("timestamp":)\d{10}/, `$1${Date.UTC(2026, 10, 22, 13) / 1000 + second}`)
    .replace(/\r$/, '')
    .replace(/("__REALTIME_TIMESTAMP": ?")\d{10}/, `$1${Date.UTC(2026, 10, 22, 13) / 1000 + second}`)
}

/** True where {@link atSecond} knows the form of the time. */
function canMove({ lines, format, server }: SampleLog): boolean {
  const parser = parserById(server)
  const startMs = Date.UTC(2026, 10, 22, 13)
  return lines.every((line) => {
    const moved = atSecond(line, 0)
    const opened = format === 'lines' ? (parser.openLine?.(moved) ?? readLine(moved)) : readJournalEntry(moved)
    if ('unreadable' in opened) return true
    const { time } = opened
    if (time.kind === 'absolute') return time.atMs >= startMs && time.atMs < startMs + 1000
    const { month, day, hour, minute, second } = time
    return month === 11 && day === 22 && hour === 13 && minute === 0 && second === 0
  })
}

const movable = sampleLogs.filter(canMove)

/** Samples of one format in any order, some of them twice, their lines one among the other's. */
function randomLog(random: Random, samples: readonly SampleLog[]): Buffer {
  const server = random.chance(0.7) ? random.pick(samples).server : undefined
  const eligible = samples.filter((sample) => server === undefined || sample.server === server)
  const open = Array.from({ length: 2 + random.below(12) }, () => [...random.pick(eligible).lines])
  const lines: string[] = []
  while (open.length > 0) {
    const at = random.below(random.chance(0.5) ? 1 : open.length)
    lines.push(open[at]?.shift() as string)
    if (open[at]?.length === 0) open.splice(at, 1)
  }
  const lineEnd = random.chance(0.1) ? '\r\n' : '\n'
  return Buffer.from(
    lines.map((line, index) => atSecond(line, index) + (random.chance(0.02) ? '\n' : lineEnd)).join(''),
  )
}

/** What comes out of the log cut at these offsets, behind line ends; at those of `restarts` what the scanner knows goes through JSON. */
function scanCut(
  log: Buffer,
  cuts: readonly number[],
  restarts: ReadonlySet<number>,
  format: SampleLog['format'],
): Findings {
  const found: Findings = { logins: [], logouts: [], rejected: [] }
  let scanner = reference
  scanner.restore(null)
  let start = 0
  for (const end of [...cuts, log.length]) {
    // Bytes behind the last line end of a chunk are not looked at.
    const chunk = Buffer.concat([log.subarray(start, end), log.subarray(end, end + 5)]).subarray(0, end - start)
    scanInto(found, scanner, chunk, format)
    start = end
    if (!restarts.has(end)) continue
    const state = JSON.stringify(scanner.snapshot())
    scanner = scanner === reference ? other : reference
    scanner.restore(JSON.parse(state))
  }
  return found
}

function inShort({ logins, logouts, rejected }: Findings): string {
  return JSON.stringify({
    logins,
    logouts,
    rejected: rejected.map(({ server, reason, line }) => [server, reason, line]),
  })
}

it('finds the same in any chunks and across any restart', () => {
  const random = new Random(SEED)
  for (const round of rounds('chunks', 1500, 0.15)) {
    const format = random.chance(0.1) ? 'journal-json' : 'lines'
    const log = randomLog(
      random,
      movable.filter((sample) => sample.format === format),
    )
    const ends = [...log.keys()].filter((at) => log[at] === 10).map((at) => at + 1)
    const often = random.next()
    const cuts = ends.filter(() => random.chance(often))
    const restarts = new Set(cuts.filter(() => random.chance(0.3)))
    const whole = inShort(scanCut(log, [], new Set(), format))
    const cut = inShort(scanCut(log, cuts, restarts, format))
    if (whole === cut) continue
    const difference = whole.split('').findIndex((char, index) => char !== cut[index])
    expect.fail(
      `round ${round} of seed ${SEED}: cut at ${cuts}, restarted at ${[...restarts]}, this log gives other logins\n` +
        `${JSON.stringify(log.toString())}\nwhole ${whole.slice(difference - 80)}\ncut   ${cut.slice(difference - 80)}`,
    )
  }
})

it('finds the logins of all samples, so that there is something to compare', () => {
  expect(movable.length).toBeGreaterThan(sampleLogs.length * 0.8)
  const lines = movable.filter(({ format, expect: wanted }) => format === 'lines' && wanted !== null)
  const log = Buffer.concat(lines.flatMap((sample) => [logOf(sample), Buffer.from('\n')]))
  expect(scanCut(log, [], new Set(), 'lines').logins.length).toBeGreaterThan(300)
})
