/** What one login costs with so many entries in the table, and what `makemap` of the whole file costs, as the 2002 daemon paid it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ManualClock } from '../src/lib/clock.ts'
import type { AuthorizationTable } from '../src/table/authorization-table.ts'
import { mapTools } from '../test/support/makemap.ts'
import { ensureRoot } from '../test/support/roots.ts'
import { addressOf, filledTable, loginOf } from './filled-table.ts'
import { count, goal, median, ratio, report, timeProgram } from './measure.ts'

const SIZES = [10, 1_000, 100_000, 1_000_000]
const SAMPLES = 1_000
const ROUNDS = 5
const WARM_UP = 500

/** A table under measurement. `cpuUs`: microseconds of CPU of each commit, in user and system mode, of all threads. */
interface Subject {
  readonly entries: number
  readonly table: AuthorizationTable
  readonly renewedUs: number[]
  readonly newUs: number[]
  readonly makemapS: number[]
}

/** Runs the benchmark in `directory`. */
export async function table(directory: string): Promise<void> {
  const clock = new ManualClock(Date.now())
  const subjects: Subject[] = []
  for (const entries of SIZES) {
    const state = join(directory, `table-${entries}`)
    const table = await filledTable(state, entries, clock)
    subjects.push({ entries, table, renewedUs: [], newUs: [], makemapS: [] })
  }
  const makemap = await makemapOf(directory)
  for (const subject of subjects) await sample(subject, clock, WARM_UP)
  for (const subject of subjects) subject.renewedUs.length = subject.newUs.length = 0
  for (let round = 0; round < ROUNDS; round++) {
    // Sample by sample in turns, so that whatever else the machine does falls on all tables alike.
    for (let i = 0; i < SAMPLES / ROUNDS; i++) for (const subject of subjects) await sample(subject, clock, 1)
    for (const { entries, makemapS } of subjects) {
      const cpuS = await makemap?.(entries)
      if (cpuS !== undefined) makemapS.push(cpuS)
    }
  }
  for (const subject of subjects) await subject.table[Symbol.asyncDispose]()
  tell(subjects, makemap !== undefined)
}

let turn = 0

/** A client of the table logs in again; then a new one does, and is taken out again (not measured), so that the size stays. */
async function sample(subject: Subject, clock: ManualClock, times: number): Promise<void> {
  const { table, entries, renewedUs, newUs } = subject
  for (let i = 0; i < times; i++) {
    turn++
    clock.advance(1)
    const known = Math.imul(turn, 7_919) % entries
    renewedUs.push(await commitUs(table, loginOf(known < 0 ? known + entries : known, clock.now())))
    const atMs = clock.now() - table.policy.windowMs + 1
    newUs.push(await commitUs(table, loginOf(2_000_000 + turn, atMs)))
    clock.advance(1)
    await table.sweep()
    if (table.stats().addresses !== entries) throw new Error(`the table holds ${table.stats().addresses} addresses`)
  }
}

async function commitUs(table: AuthorizationTable, login: ReturnType<typeof loginOf>): Promise<number> {
  const before = process.cpuUsage()
  const { changes } = await table.commit({ logins: [login], position: { sourceId: 'bench', value: { offset: turn } } })
  const { user, system } = process.cpuUsage(before)
  if (changes.length !== 1) throw new Error(`a login changed ${changes.length} addresses`)
  return user + system
}

/** Seconds of CPU of `makemap hash` over a whole file; undefined where there is no makemap. */
async function makemapOf(directory: string): Promise<((entries: number) => Promise<number>) | undefined> {
  await ensureRoot('sendmail').catch(() => {})
  const tools = join(directory, 'makemap')
  mkdirSync(tools, { recursive: true })
  const { makemapCommand, real } = await mapTools(tools)
  if (!real) return undefined
  for (const entries of SIZES) writeFileSync(join(directory, `access-${entries}`), accessText(entries))
  return async (entries) => {
    const text = join(directory, `access-${entries}`)
    const [program = '', type = '', map = ''] = makemapCommand
    const args = [type.replace('{type}', 'hash'), map.replace('{map}', text)]
    const script = ['sh', '-c', 'exec "$1" "$2" "$3" < "$3"', 'sh', program, ...args]
    return (await timeProgram(script, join(directory, 'makemap.out'))).cpuS
  }
}

function accessText(entries: number): string {
  let text = ''
  for (let n = 0; n < entries; n++) text += `Connect:${addressOf(n)}\tRELAY\n`
  return text
}

function tell(subjects: readonly Subject[], hasMakemap: boolean): void {
  const smallest = subjects[0] as Subject
  const cost = ({ renewedUs, newUs }: Subject) => Math.max(median(renewedUs), median(newUs))
  const growth = (subject: Subject) => cost(subject) / cost(smallest)
  const advantage = (subject: Subject) => (median(subject.makemapS) * 1e6) / cost(subject)
  const us = (values: readonly number[]) => `${Math.round(median(values))} us`
  const rows = subjects.map((subject) => [
    count(subject.entries),
    `${ratio(growth(subject))}x`,
    hasMakemap ? `${ratio(advantage(subject))}x` : '-',
    us(subject.newUs),
    us(subject.renewedUs),
    hasMakemap ? `${(median(subject.makemapS) * 1000).toFixed(0)} ms` : '-',
  ])
  const flat = Math.max(...subjects.map(growth))
  const at100k = subjects.find(({ entries }) => entries === 100_000) as Subject
  const notes = [
    goal(`a login costs at most twice as much with 1,000,000 entries as with 10 (${ratio(flat)}x)`, flat <= 2),
    hasMakemap
      ? goal(
          `100 times cheaper than makemap at 100,000 entries (${ratio(advantage(at100k))}x)`,
          advantage(at100k) >= 100,
        )
      : 'skipped: makemap (sendmail is not installed, and its root for the tests cannot be built)',
  ]
  report(
    `table: CPU of a one-login commit, median of ${count(SAMPLES)}; makemap of the whole file, median of ${ROUNDS}`,
    ['entries', 'cost, to 10 entries', 'makemap / login', 'new client', 'known client', 'makemap hash'],
    rows,
    notes,
  )
}
