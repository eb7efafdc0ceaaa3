/** `popauthd scan` of a large mixed log, against what one would otherwise search it with. */
import { readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { fail2ban } from './fail2ban.ts'
import { count, goal, inTurns, median, PROGRAM, type Run, ratio, report, timeProgram } from './measure.ts'
import { DOVECOT_LITERAL, type MixedLog, writeMixedLog } from './mixed-log.ts'

const LOG_BYTES = 500_000_000
const SLICE_BYTES = 10_000_000
const ROUNDS = 7

/** One way to find the logins. `bytes`: of the log that it reads; its times are scaled to the whole log. */
interface Contender {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly bytes: number
  /** Checks what it printed, so that nothing is measured that does not do the work. @throws {Error} */
  readonly check: (output: string) => void
}

const PERL = `while (<>) { if (/dovecot(?:\\[\\d+\\])?: (?:pop3|imap)-login: Login: user=<([^>]*)>, .*?rip=([0-9a-f.:]+),/) { print "$1 $2\\n" } }`

/** Runs the benchmark in `directory`. */
export async function scan(directory: string): Promise<void> {
  const log = writeMixedLog(join(directory, 'mixed.log'), LOG_BYTES)
  const contenders = [...contendersOf(log), ...(await fail2banOf(directory, log))]
  const output = join(directory, 'scan.out')
  const jobs = contenders.map(({ command, env, check }) => async () => {
    const run = await timeProgram(command, output, env)
    check(readFileSync(output, 'utf8'))
    return run
  })
  await inTurns(jobs, 1) // the log comes into memory
  const runs = await inTurns(jobs, ROUNDS)
  tell(log, contenders, runs)
}

function contendersOf(log: MixedLog): Contender[] {
  const { path, bytes, logins } = log
  const all = Object.values(logins).reduce((sum, some) => sum + some, 0)
  const lines = (wanted: number) => (text: string) => expectCount(text.split('\n').length - 1, wanted)
  return [
    {
      name: 'LC_ALL=C grep -c, one literal',
      command: ['grep', '-c', DOVECOT_LITERAL, path],
      env: { LC_ALL: 'C' },
      bytes,
      check: (text) => expectCount(Number(text), logins.dovecot),
    },
    {
      name: 'popauthd scan, one server',
      command: [process.execPath, PROGRAM, 'scan', '--json', '--format', 'dovecot', path],
      bytes,
      check: lines(logins.dovecot),
    },
    {
      name: 'popauthd scan, all four servers',
      command: [process.execPath, PROGRAM, 'scan', '--json', path],
      bytes,
      check: lines(all),
    },
    { name: 'Perl, a pattern on each line', command: ['perl', '-e', PERL, path], bytes, check: lines(logins.dovecot) },
  ]
}

async function fail2banOf(directory: string, log: MixedLog): Promise<Contender[]> {
  const tool = await fail2ban()
  if (tool === undefined) return []
  const path = join(directory, 'slice.log')
  const bytes = await copyStart(log.path, path, SLICE_BYTES)
  const wanted = readFileSync(path, 'latin1').split(DOVECOT_LITERAL).length - 1
  const check = (text: string) => expectCount(Number(/(\d+) matched/.exec(text)?.[1]), wanted)
  return [{ name: 'fail2ban-regex', ...tool(path), bytes, check }]
}

/** Copies whole lines from the start of a log, about `bytes` of them; returns how many it were. */
async function copyStart(from: string, to: string, bytes: number): Promise<number> {
  await using source = await open(from)
  await using target = await open(to, 'w')
  const buffer = Buffer.alloc(bytes)
  await source.read(buffer, 0, bytes, 0)
  await target.write(buffer.subarray(0, buffer.lastIndexOf('\n') + 1))
  return statSync(to).size
}

function expectCount(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} logins were found, the log holds ${wanted}`)
}

function tell(log: MixedLog, contenders: readonly Contender[], runs: readonly (readonly Run[])[]): void {
  const scaled = (i: number, figure: keyof Run) =>
    (median((runs[i] as Run[]).map((run) => run[figure])) * log.bytes) / (contenders[i] as Contender).bytes
  const [grepS, ourS] = [scaled(0, 'wallS'), scaled(1, 'wallS')]
  const rows = contenders.map(({ name, bytes }, i) => [
    bytes === log.bytes ? name : `${name} (${(bytes / 1e6).toFixed(0)} MB, scaled)`,
    `${ratio(scaled(i, 'wallS') / ourS)}x`,
    `${ratio(scaled(i, 'cpuS') / scaled(1, 'cpuS'))}x`,
    `${scaled(i, 'wallS').toFixed(2)} s`,
    `${scaled(i, 'cpuS').toFixed(2)} s`,
    `${(log.bytes / 1e6 / scaled(i, 'wallS')).toFixed(0)}`,
    `${(log.lines / 1e6 / scaled(i, 'wallS')).toFixed(2)} M`,
  ])
  const notes = [goal(`popauthd scan not slower than grep -c (${ratio(ourS / grepS)} of its time)`, ourS <= grepS)]
  if (contenders.length < 5) notes.push('skipped: fail2ban-regex (not installed, and its package cannot be fetched)')
  report(
    `scan: ${(log.bytes / 1e6).toFixed(0)} MB, ${count(log.lines)} lines, in memory; whole processes, median of ${ROUNDS}`,
    ['', 'wall, to scan', 'CPU, to scan', 'wall', 'CPU', 'MB/s', 'lines/s'],
    rows,
    notes,
  )
}
