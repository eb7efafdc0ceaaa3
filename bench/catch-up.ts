/** What piles up while the daemon is away: a large log, and floods of logins. How fast it is read, and how lookups are answered meanwhile. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { open } from 'lmdb'
import type { StatusAnswer } from '../src/admin/api-types.ts'
import { ControlClient } from '../src/admin/control-client.ts'
import { addressToBytes } from '../src/core/client-address.ts'
import { type BenchDaemon, type BenchHost, prepareHost, SocketmapClient } from './daemon.ts'
import { addressOf, WINDOW_SECONDS } from './filled-table.ts'
import { count, expectCount, goal, median, megabytes, percentile, ratio, report, timeProgram } from './measure.ts'
import { writeMixedLog } from './mixed-log.ts'

const ENTRIES = 1_000_000
/** About what the table keeps of an address. */
const RECORD_BYTES = 70
const BACKLOG_BYTES = 10_000_000_000
const FLOOD = 1_000_000
const RESTARTS = 5
const LONGEST_MS = 30 * 60_000
const ASK_EVERY_MS = 5
/** A lookup heeds a login before it is on the disk, where it is counted. */
const COUNTED_MS = 500
/** Lookups from one login in the other log to the next. */
const LOGIN_EVERY = 20
const KB_PER_MB = 1000 / 1.024
const FIRST_LINE = 'mx1 sshd[99]: Server listening on 0.0.0.0 port 22.\n'
/** With its time. */
const FIRST_LINE_BYTES = 16 + FIRST_LINE.length

/** What came of one backlog. Milliseconds while it was read: of lookups, and from a login's line in another log to RELAY. */
interface CatchUp {
  readonly seconds: number
  readonly lookupMs: readonly number[]
  readonly loginMs: readonly number[]
  readonly mostAnonymousKb: number
  readonly saidBytes: number
  readonly status: StatusAnswer
}

/** Runs the benchmark in `directory`. */
export async function catchUp(directory: string, scale: number): Promise<void> {
  const host = await prepareHost(directory, ENTRIES)
  await restarts(host)
  await backlog(host, BACKLOG_BYTES * scale)
  const flood = Math.round(FLOOD * scale)
  const flooded = join(directory, 'flooded')
  mkdirSync(flooded)
  // Half of the flood's new addresses find room.
  const limits = { admission: { max_addresses: ENTRIES + flood / 2 } }
  const other = await prepareHost(flooded, ENTRIES, limits)
  appendFileSync(other.logPath, `${stamp(Date.now())} ${FIRST_LINE}`)
  await floods(directory, other, flood)
}

async function restarts(host: BenchHost): Promise<void> {
  const bareS: number[] = []
  const answerS: number[] = []
  appendFileSync(host.logPath, `${stamp(Date.now())} ${FIRST_LINE}`)
  for (let i = 0; i < RESTARTS; i++) {
    bareS.push((await timeProgram([process.execPath, '-e', '0'], `${host.logPath}.out`)).wallS)
    const started = performance.now()
    await using daemon = host.spawn()
    using client = await connect(host)
    if (!(await client.mayRelay(addressOf(1)))) throw new Error(`${addressOf(1)} may not relay after a restart`)
    answerS.push((performance.now() - started) / 1000)
    await daemon.ready()
  }
  const s = median(answerS)
  report(
    `restart: from the start of the process to the first RELAY, ${count(ENTRIES)} entries, median of ${RESTARTS}`,
    ['', 'time', 'to bare Node'],
    [
      ['the first RELAY', `${s.toFixed(2)} s`, `${ratio(s / median(bareS))}x`],
      ['Node that does nothing', `${median(bareS).toFixed(2)} s`, '1.00x'],
    ],
    [goal(`below a second (${s.toFixed(2)} s)`, s < 1)],
  )
}

async function backlog(host: BenchHost, bytes: number): Promise<void> {
  const startS = Math.floor(Date.now() / 1000) - WINDOW_SECONDS + 7_200
  const linesPerSecond = Math.ceil(bytes / 170 / (WINDOW_SECONDS - 14_400))
  const beside = `${host.logPath}.new`
  const log = writeMixedLog(beside, bytes, { startS, linesPerSecond })
  await inPlace(host, beside)
  forget(host.logPath)
  const wc = await timeProgram(['wc', '-l', host.logPath], `${host.logPath}.out`)
  forget(host.logPath)
  const read = await readAll(host)
  const logins = Object.values(log.logins).reduce((sum, one) => sum + one, 0)
  expectCount(read.status.counters.logins_recognized_total ?? 0, logins + read.loginMs.length, 'logins')
  const rate = (seconds: number) => `${count(Math.round(log.bytes / 1e6 / seconds))} MB/s`
  report(
    `catch-up: a log of ${megabytes(log.bytes)} that grew while the daemon was away, read from the disk; 2% logins (${count(logins)})`,
    ['', 'time, to wc -l', 'time', 'rate'],
    [
      [
        'the daemon, to its end',
        `${ratio(read.seconds / wc.wallS)}x`,
        `${read.seconds.toFixed(1)} s`,
        rate(read.seconds),
      ],
      ['wc -l', '1.00x', `${wc.wallS.toFixed(1)} s`, rate(wc.wallS)],
    ],
    notesOf(read),
  )
}

async function floods(directory: string, host: BenchHost, logins: number): Promise<void> {
  const alone = await putsAlone(directory, logins)
  const rows: string[][] = [['LMDB alone: one record put for each', count(alone), '-', '-', '-', '-', '-']]
  const notes: string[] = []
  for (const [name, first] of [
    ['of clients that the table knows', 0],
    ['of new clients, half of which the table has no room for', 4_000_000],
  ] as const) {
    const beside = `${host.logPath}.new`
    writeLogins(beside, first, logins)
    await inPlace(host, beside)
    const read = await readAll(host, first === 0) // where there is no room, nobody else gets in either
    const { counters } = read.status
    expectCount(counters.logins_recognized_total ?? 0, logins + read.loginMs.length, 'logins')
    const perSecond = logins / read.seconds
    const refused = counters.logins_refused_total ?? 0
    rows.push([
      name,
      count(Math.round(perSecond)),
      count(refused),
      count(read.status.table.addresses),
      `${percentile(read.lookupMs, 0.99).toFixed(1)} ms`,
      `${(read.mostAnonymousKb / KB_PER_MB).toFixed(0)} MB`,
      megabytes(read.saidBytes),
    ])
    notes.push(
      goal(`${name}: 100,000 logins a second, durable (${count(Math.round(perSecond))})`, perSecond >= 100_000),
    )
    notes.push(...notesOf(read))
  }
  report(
    `flood: ${count(logins)} logins of as many clients in one log, ${count(ENTRIES)} entries, at most ${count(ENTRIES + logins / 2)}`,
    ['logins', 'a second', 'refused', 'entries then', 'lookups, 99%', 'RssAnon', 'own log'],
    rows,
    notes,
  )
}

/** Records of a million, put a thousand at a time, each such transaction synced: what the store itself can do. A second. */
async function putsAlone(directory: string, puts: number): Promise<number> {
  const root = open({
    path: join(directory, 'alone.mdb'),
    noSubdir: true,
    overlappingSync: false,
    eventTurnBatching: false,
  })
  const db = root.openDB({ name: 'records', keyEncoding: 'binary', encoding: 'binary' })
  const record = Buffer.alloc(RECORD_BYTES, 1)
  const put = (first: number, size: number) =>
    root.batch(() => {
      for (let n = first; n < first + size; n++) void db.put(addressToBytes(addressOf(n % ENTRIES)), record)
    })
  for (let n = 0; n < ENTRIES; n += 50_000) await put(n, 50_000)
  const started = performance.now()
  for (let n = 0; n < puts; n += 1_000) await put(n, 1_000)
  const seconds = (performance.now() - started) / 1000
  await root.close()
  return Math.round(puts / seconds)
}

function notesOf({ lookupMs, loginMs, mostAnonymousKb }: CatchUp): string[] {
  const p99 = percentile(lookupMs, 0.99)
  const mb = mostAnonymousKb / KB_PER_MB
  return [
    goal(
      `lookups meanwhile within 10 ms at the 99th percentile (${p99.toFixed(1)} ms, longest ${Math.max(...lookupMs).toFixed(0)} ms)`,
      p99 <= 10,
    ),
    ...(loginMs.length === 0 ? [] : [loginNote(loginMs)]),
    goal(`RssAnon below 200 MB (${mb.toFixed(0)} MB)`, mb < 200),
  ]
}

function loginNote(loginMs: readonly number[]): string {
  const [p50, p99] = [percentile(loginMs, 0.5), percentile(loginMs, 0.99)]
  return goal(
    `from a line in another log to RELAY meanwhile: 2 ms median, 10 ms at the 99th percentile (${p50.toFixed(1)} and ${p99.toFixed(1)} ms, ${loginMs.length} logins)`,
    p50 <= 2 && p99 <= 10,
  )
}

/** Starts the daemon, asks it all the while, with `logsIn` logs in at another server now and then, and stops it when it has read all. */
async function readAll(host: BenchHost, logsIn = true): Promise<CatchUp> {
  const started = performance.now()
  await using daemon = host.spawn()
  using client = await connect(host)
  let isRead = false
  const reading = daemon.ready(LONGEST_MS).finally(() => {
    isRead = true
  })
  const lookupMs: number[] = []
  const loginMs: number[] = []
  let mostAnonymousKb = 0
  while (!isRead) {
    lookupMs.push(await ask(client, lookupMs.length))
    if (logsIn && lookupMs.length % LOGIN_EVERY === 0) loginMs.push(await logIn(host, client))
    mostAnonymousKb = Math.max(mostAnonymousKb, daemon.memory().anonymousKb)
    await pause(ASK_EVERY_MS)
  }
  await reading
  const seconds = (performance.now() - started) / 1000
  await pause(COUNTED_MS)
  return {
    seconds,
    lookupMs,
    loginMs,
    mostAnonymousKb,
    saidBytes: daemon.saidBytes,
    status: await statusOf(daemon),
  }
}

function statusOf({ controlPath }: BenchDaemon): Promise<StatusAnswer> {
  return new ControlClient(controlPath).status()
}

async function ask(client: SocketmapClient, n: number): Promise<number> {
  const known = n % 2 === 0
  const asked = performance.now()
  const answer = await client.mayRelay(addressOf(known ? n % ENTRIES : n + 8_000_000))
  const tookMs = performance.now() - asked
  if (answer !== known) throw new Error(`a wrong answer about entry ${n}`)
  return tookMs
}

let loggedIn = 0

/** Somebody logs in at another server, whose log is followed too. Milliseconds from the line to RELAY. */
async function logIn(host: BenchHost, client: SocketmapClient): Promise<number> {
  const n = 12_000_000 + loggedIn++
  const written = performance.now()
  appendFileSync(host.livePath, lineOf(Date.now(), n))
  while (!(await client.mayRelay(addressOf(n)))) {
    if (performance.now() - written > 60_000) throw new Error(`no RELAY for ${addressOf(n)} within a minute`)
  }
  return performance.now() - written
}

async function connect({ socketPath }: BenchHost): Promise<SocketmapClient> {
  for (const untilMs = Date.now() + 60_000; ; await pause(2)) {
    try {
      return await SocketmapClient.connect(socketPath)
    } catch (error) {
      if (Date.now() > untilMs) throw error
    }
  }
}

/** Puts the lines of another file into the log, behind the first line, which the daemon has read. */
async function inPlace(host: BenchHost, beside: string): Promise<void> {
  truncateSync(host.logPath, FIRST_LINE_BYTES)
  {
    await using daemon = host.spawn()
    await daemon.ready()
  }
  execFileSync('sh', ['-c', 'cat "$1" >> "$2"', 'sh', beside, host.logPath])
  rmSync(beside)
}

/** Has the system forget a file's pages, so that it is read from the disk. */
function forget(path: string): void {
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' })
}

function writeLogins(path: string, first: number, logins: number): void {
  const fd = openSync(path, 'w')
  const startMs = Date.now() - 3_600_000
  for (let from = 0; from < logins; from += 1000) {
    let text = ''
    for (let n = from; n < Math.min(from + 1000, logins); n++) {
      text += lineOf(startMs + (n / logins) * 3_000_000, first + n)
    }
    writeSync(fd, text)
  }
  closeSync(fd)
}

/** The login of client `n` at Dovecot. */
function lineOf(atMs: number, n: number): string {
  return `${stamp(atMs)} mx1 dovecot: imap-login: Login: user=<user${n}@example.com>, method=PLAIN, rip=${addressOf(n)}, lip=192.0.2.25, mpid=${1000 + (n % 30_000)}, TLS, session=<uRyBpt1gqqjLAHEq>\n`
}

/** RFC 3164, in UTC. */
function stamp(atMs: number): string {
  const at = new Date(atMs)
  const month = at.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })
  return `${month} ${String(at.getUTCDate()).padStart(2)} ${at.toISOString().slice(11, 19)}`
}
