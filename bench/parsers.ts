/** What each parser costs a line: its own samples of logins through a scanner that knows all parsers. And lines that are none of theirs. */
import { parsers } from '../src/parsers/index.ts'
import { LoginScanner, type ScanHandler } from '../src/parsers/scanner.ts'
import { expectCount, inTurns, median, megabytes, ratio, report } from './measure.ts'
import { noiseText } from './mixed-log.ts'
import {
  type LoginSample,
  loginSamples,
  NEWEST_MS,
  type RepeatedSample,
  repeatSamples,
  usualSample,
} from './repeated-samples.ts'

const LINES_PER_PARSER = 20_000
const NOISE_BYTES = 64_000_000
const WARM_UP_ROUNDS = 3
const ROUNDS = 7

/** One thing to measure: `run` does it once and returns how many logins it found. */
interface Task {
  readonly name: string
  readonly lines: number
  readonly bytes: number
  readonly logins: number
  readonly run: () => number
}

/** Runs the benchmark, in this process. `scale`: what part of its lines each parser gets. */
export async function parserCosts(_directory: string, scale: number): Promise<void> {
  const all = new LoginScanner({ parsers, timezone: 'UTC' })
  const lines = LINES_PER_PARSER * scale
  const samples = parsers.map((parser) => loginsTask(all, parser.id, loginSamples(parser), lines))
  const usual = parsers.map((parser) => loginsTask(all, parser.id, [usualSample(all, parser)], lines))
  const seconds = await secondsOf([...samples, ...usual])
  tellParsers(samples, usual, seconds)
  const noise = noiseText(NOISE_BYTES * scale)
  const dovecot = new LoginScanner({ parsers: parsers.filter(({ id }) => id === 'dovecot'), timezone: 'UTC' })
  const noiseTasks = [noiseTask('all parsers', all, noise), noiseTask('Dovecot alone', dovecot, noise)]
  tellNoise(noiseTasks, await secondsOf(noiseTasks))
}

function loginsTask(scanner: LoginScanner, name: string, samples: readonly LoginSample[], lines: number): Task {
  const repeated = repeatSamples(scanner, samples, lines)
  const sum = (figure: (sample: RepeatedSample) => number) => repeated.reduce((total, one) => total + figure(one), 0)
  return {
    name,
    lines: sum((sample) => sample.lines),
    bytes: sum(({ chunk }) => chunk.length),
    logins: sum((sample) => sample.logins),
    run: () => sum(({ chunk, format }) => loginsIn(scanner, chunk, format)),
  }
}

function noiseTask(name: string, scanner: LoginScanner, noise: Buffer): Task {
  let lines = 0
  for (const byte of noise) if (byte === 10) lines++
  return { name, lines, bytes: noise.length, logins: 0, run: () => loginsIn(scanner, noise, 'lines') }
}

function loginsIn(scanner: LoginScanner, chunk: Buffer, format: RepeatedSample['format']): number {
  let logins = 0
  const handler: ScanHandler = { login: () => logins++, rejected: () => {} }
  scanner.restore(null)
  scanner.scan(chunk, { format, newestMs: NEWEST_MS }, handler)
  return logins
}

/** The median time of each task, in seconds, when it has run some times and the compiler is done with it. */
async function secondsOf(tasks: readonly Task[]): Promise<readonly number[]> {
  const jobs = tasks.map(({ name, run, logins }) => async () => {
    const started = performance.now()
    const found = run()
    const seconds = (performance.now() - started) / 1000
    expectCount(found, logins, `logins of ${name}`)
    return seconds
  })
  await inTurns(jobs, WARM_UP_ROUNDS)
  return (await inTurns(jobs, ROUNDS)).map(median)
}

/** `seconds`: of the tasks of all samples, then of those of the usual ones. */
function tellParsers(samples: readonly Task[], usual: readonly Task[], seconds: readonly number[]): void {
  const costs = parsers.map((parser, i) => {
    const [all, one] = [samples[i] as Task, usual[i] as Task]
    const [allS, oneS] = [seconds[i] as number, seconds[i + parsers.length] as number]
    return { parser, all, allS, lineS: allS / all.lines, usualS: oneS / one.lines }
  })
  costs.sort((a, b) => b.lineS - a.lineS)
  const middleS = median(costs.map(({ lineS }) => lineS))
  report(
    `parsers: lines of logins, all ${parsers.length} parsers on; in this process, warm, median of ${ROUNDS}`,
    ['', 'to the middle one', 'a line', 'a login', 'MB/s', 'lines/s', 'usual line', 'lines/s', 'shortcut'],
    costs.map(({ parser, all, allS, lineS, usualS }) => [
      parser.id,
      `${ratio(lineS / middleS)}x`,
      microseconds(lineS),
      microseconds(allS / all.logins),
      (all.bytes / allS / 1e6).toFixed(0),
      `${(1e-6 / lineS).toFixed(2)} M`,
      microseconds(usualS),
      `${(1e-6 / usualS).toFixed(2)} M`,
      parser.common === undefined ? '' : 'yes',
    ]),
    [
      'a line: of all samples, which are of all versions and envelopes; usual line: the one that popauthd formats shows, and past the',
      'grammar where there is a shortcut. Logins of two or more lines count each line.',
    ],
  )
}

const microseconds = (seconds: number): string => `${(seconds * 1e6).toFixed(2)} us`

function tellNoise(tasks: readonly Task[], seconds: readonly number[]): void {
  report(
    `parsers: ${megabytes(tasks[0]?.bytes ?? 0)} without a login; in this process, warm, median of ${ROUNDS}`,
    ['', 'MB/s', 'lines/s'],
    tasks.map(({ name, bytes, lines }, i) => [
      name,
      (bytes / 1e6 / (seconds[i] as number)).toFixed(0),
      `${(lines / 1e6 / (seconds[i] as number)).toFixed(2)} M`,
    ]),
    [],
  )
}
