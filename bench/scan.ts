/** `popauthd scan` of large logs, against what one would otherwise search them with. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Measured, measure, ROUNDS, rowsOf, TITLES } from './contenders.ts'
import { countHits, writeLiterals } from './log-files.ts'
import { count, goal, megabytes, ratio, report } from './measure.ts'
import { type MixedLog, writeLoginLog, writeMixedLog } from './mixed-log.ts'
import { ripgrep } from './ripgrep.ts'
import { fail2banOf, grepLiterals, grepOne, perl, popauthdScan } from './searchers.ts'

const ONE_SERVER_BYTES = 500_000_000
const ALL_SERVERS_BYTES = 1_000_000_000
const LOGINS_BYTES = 200_000_000
const SLICE_BYTES = 10_000_000
const FAIL2BAN_TIMES = 100
const LINES_PER_CPU_SECOND = 1_000_000

/** Runs the benchmark in `directory`. `scale`: what part of their sizes the logs have. */
export async function scan(directory: string, scale: number): Promise<void> {
  const scaled = (bytes: number) => Math.round(bytes * scale)
  await oneServer(directory, scaled(ONE_SERVER_BYTES), scaled(SLICE_BYTES))
  await allServers(directory, scaled(ALL_SERVERS_BYTES), scaled(SLICE_BYTES))
  await nothingButLogins(directory, scaled(LOGINS_BYTES))
}

/** One server configured: `grep`, Perl, fail2ban. */
async function oneServer(directory: string, bytes: number, sliceBytes: number): Promise<void> {
  const log = writeMixedLog(join(directory, 'mixed.log'), bytes)
  const [grep, one, ...others] = await measure(
    [
      grepOne(log),
      popauthdScan('popauthd scan, one server', log, ['dovecot']),
      popauthdScan('popauthd scan, all servers', log),
      perl(log),
      ...(await fail2banOf(directory, log, sliceBytes)),
    ],
    directory,
  )
  if (grep === undefined || one === undefined) return
  report(heading(log, 'one server'), TITLES, rowsOf([grep, one, ...others], one), [
    notSlower('one server', 'grep -c', one, grep),
    ...(others.length < 3 ? [NO_FAIL2BAN] : []),
  ])
  rmSync(log.path)
}

/** A log twice as large, one server and all of them at once, in one run. */
async function allServers(directory: string, bytes: number, sliceBytes: number): Promise<void> {
  const log = writeMixedLog(join(directory, 'mixed.log'), bytes)
  const literals = writeLiterals(join(directory, 'literals'))
  const hits = await countHits(log.path, literals.texts)
  const rg = await ripgrep()
  const [grep, one, grepAll, all, ...others] = await measure(
    [
      grepOne(log),
      popauthdScan('popauthd scan, one server', log, ['dovecot']),
      grepLiterals('LC_ALL=C grep -cF', ['grep'], literals.path, log, hits),
      popauthdScan('popauthd scan, all servers', log),
      ...(rg === undefined ? [] : [grepLiterals('rg -cF', [rg, '--no-config'], literals.path, log, hits)]),
      ...(await fail2banOf(directory, log, sliceBytes)),
    ],
    directory,
  )
  if (grep === undefined || one === undefined || grepAll === undefined || all === undefined) return
  const rgAll = others.find(({ contender }) => contender.name === 'rg -cF')
  const slow = others.find(({ contender }) => contender.name === 'fail2ban-regex')
  report(heading(log, 'one server'), TITLES, rowsOf([grep, one, ...(slow === undefined ? [] : [slow])], one), [
    notSlower('one server', 'grep -c', one, grep),
    slow === undefined ? NO_FAIL2BAN : muchFaster(one, all, slow),
  ])
  const strings = `the same ${literals.texts.length} strings`
  report(
    heading(log, `all servers, ${strings} (${count(hits)} lines hold one)`),
    TITLES,
    rowsOf([grepAll, ...(rgAll === undefined ? [] : [rgAll]), all], all),
    [
      notSlower('all servers', `grep -cF with ${strings}`, all, grepAll),
      rgAll === undefined
        ? 'skipped: rg (not installed, and its package cannot be fetched)'
        : notSlower('all servers, aimed at', `rg -cF with ${strings}`, all, rgAll),
    ],
  )
  rmSync(log.path)
}

/** Logs in which each line costs the parsers: those of six servers, and Dovecot's alone. */
async function nothingButLogins(directory: string, bytes: number): Promise<void> {
  const logs = [
    { name: 'six servers', log: writeLoginLog(join(directory, 'six.log'), bytes) },
    { name: 'Dovecot', log: writeLoginLog(join(directory, 'dovecot.log'), bytes, ['dovecot']) },
  ]
  const measured = await measure(
    logs.map(({ name, log }) => popauthdScan(name, log)),
    directory,
  )
  const perCpuSecond = ({ contender, cpuS }: Measured) => contender.log.lines / cpuS
  report(
    `scan: ${megabytes(bytes)} of nothing but logins, all servers looked for, in memory; whole processes, median of ${ROUNDS}`,
    ['logins of', 'lines/s', 'lines/CPU s', 'wall', 'CPU', 'MB/s', 'lines', 'logins'],
    measured.map((one, i) => [
      one.contender.name,
      `${(one.contender.log.lines / 1e6 / one.wallS).toFixed(2)} M`,
      `${(perCpuSecond(one) / 1e6).toFixed(2)} M`,
      `${one.wallS.toFixed(2)} s`,
      `${one.cpuS.toFixed(2)} s`,
      (one.contender.log.bytes / 1e6 / one.wallS).toFixed(0),
      count(one.contender.log.lines),
      count(Object.values((logs[i] as { log: MixedLog }).log.logins).reduce((sum, some) => sum + some, 0)),
    ]),
    measured.map((one) =>
      goal(
        `${one.contender.name}: at least 1 M lines/s a core (${(perCpuSecond(one) / 1e6).toFixed(2)} M)`,
        perCpuSecond(one) >= LINES_PER_CPU_SECOND,
      ),
    ),
  )
  for (const { log } of logs) rmSync(log.path)
}

const NO_FAIL2BAN = 'skipped: fail2ban-regex (not installed, and its package cannot be fetched)'

function heading({ bytes, lines }: MixedLog, what: string): string {
  return `scan: ${megabytes(bytes)}, ${count(lines)} lines, ${what}, in memory; whole processes, median of ${ROUNDS}`
}

function notSlower(what: string, than: string, ours: Measured, theirs: Measured): string {
  const text = `popauthd scan, ${what}: not slower than ${than} (${ratio(ours.wallS / theirs.wallS)} of its time)`
  return goal(text, ours.wallS <= theirs.wallS)
}

function muchFaster(one: Measured, all: Measured, slow: Measured): string {
  const [times, timesAll] = [slow.wallS / one.wallS, slow.wallS / all.wallS]
  const text = `popauthd scan, one server: ${FAIL2BAN_TIMES} times faster than fail2ban-regex with one pattern (${ratio(times)} times; all servers ${ratio(timesAll)})`
  return goal(text, times >= FAIL2BAN_TIMES)
}
