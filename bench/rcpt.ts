/** From write(2) of a login's log line to a relay attempt that a real MTA accepts: popauthd, live and by file, and the design of 2002. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Lifecycle } from '../src/lib/lifecycle.ts'
import { labAvailability } from '../test/support/lab-availability.ts'
import { FOREIGN } from '../test/support/mta-attachment.ts'
import { qpopperLine } from '../test/support/popauthd.ts'
import { openTransaction, type SmtpSession } from '../test/support/smtp-session.ts'
import { addressOf } from './filled-table.ts'
import { count, percentile, ratio, report } from './measure.ts'
import { type RcptContender, startContender, WAYS, type Way } from './rcpt-contenders.ts'

/** A table of which size, and how many logins. `mapLogins`: for the ways that make a whole map for each. */
interface Size {
  readonly entries: number
  readonly logins: number
  readonly mapLogins: number
}

const SMALL: Size = { entries: 5_000, logins: 200, mapLogins: 200 }
const LARGE: Size = { entries: 1_000_000, logins: 200, mapLogins: 20 }
const WARM_UP = 2
/** The first map of a million entries takes its time. */
const GIVE_UP_MS = 300_000
/** The first address that is not in the table; each login has one of its own. */
const FRESH = 3_000_000
/** How the pause between two questions grows with the time passed: what it adds to a figure stays below that share. */
const ASK_SHARE = 0.02

/** What was seen of a way. `rcptMs`: one refused RCPT before each login. `deferred`: answers 4xx between login and permission. */
interface Seen {
  readonly way: Way
  readonly loginMs: number[]
  readonly rcptMs: number[]
  deferred: number
}

/** Runs the benchmark in `directory`. */
export async function rcpt(directory: string, scale: number): Promise<void> {
  const obstacle = labAvailability()
  if (obstacle !== undefined) {
    console.log(`\nrcpt: skipped: ${obstacle}`)
    return
  }
  const part = (whole: number) => Math.max(3, Math.round(whole * scale))
  const shrunk = (size: Size) => ({ ...size, logins: part(size.logins), mapLogins: part(size.mapLogins) })
  await measure(directory, shrunk(SMALL))
  await measure(directory, shrunk({ ...LARGE, entries: part(LARGE.entries) }))
}

async function measure(directory: string, size: Size): Promise<void> {
  const parts = new Lifecycle()
  const seen: Seen[] = WAYS.map((way) => ({ way, loginMs: [], rcptMs: [], deferred: 0 }))
  try {
    const contenders: RcptContender[] = []
    for (const [i, way] of WAYS.entries()) {
      contenders.push(parts.use(await startContender(way, `${directory}-${i}`, size.entries)))
    }
    const every = Math.ceil(size.logins / size.mapLogins)
    for (let i = -WARM_UP; i < size.logins; i++) {
      for (const [n, contender] of contenders.entries()) {
        if (contender.way.wholeMap && i > 0 && i % every !== 0) continue
        await measureLogin(contender, i, i < 0 ? undefined : (seen[n] as Seen))
      }
    }
  } finally {
    await parts[Symbol.asyncDispose]()
  }
  tell(seen, size.entries)
}

/** One login, in an SMTP session that was open before it. Nothing is kept where `seen` is undefined. */
async function measureLogin({ way, client, logPath }: RcptContender, i: number, seen?: Seen): Promise<void> {
  const from = addressOf(FRESH + i)
  await using session = await openTransaction(client, { from })
  await refusedRcptMs(session, from)
  const rcptMs = await refusedRcptMs(session, from)
  await pause(phaseMs(way, i + WARM_UP))
  const written = performance.now()
  append(logPath, qpopperLine(`roaming${i + WARM_UP}`, from))
  const deferred = await untilPermitted(session, from, written)
  const loginMs = performance.now() - written
  seen?.rcptMs.push(rcptMs)
  seen?.loginMs.push(loginMs)
  if (seen !== undefined) seen.deferred += deferred
  // What follows on the new map falls on nobody else.
  if (way.kind === 'file') await pause(loginMs)
}

/** Logins fall on every phase of what goes on in between: of the second between two polls, where there is one. */
function phaseMs({ kind }: Way, i: number): number {
  return kind === '2002' ? (i * 617) % 1000 : 3 + ((i * 7) % 11)
}

async function refusedRcptMs(session: SmtpSession, from: string): Promise<number> {
  const asked = performance.now()
  const { code, text } = await session.rcpt(FOREIGN)
  if (code < 500) throw new Error(`a relay attempt from ${from} before its login: ${code} ${text}`)
  return performance.now() - asked
}

/** Asks until the answer is 250; resolves with the number of answers 4xx. @throws {Error} where that takes too long, or the session ends */
async function untilPermitted(session: SmtpSession, from: string, sinceMs: number): Promise<number> {
  for (let deferred = 0; ; ) {
    const { code, text } = await session.rcpt(FOREIGN)
    if (code === 250) return deferred
    const passedMs = performance.now() - sinceMs
    if (code < 400 || passedMs > GIVE_UP_MS) throw new Error(`${from}, ${passedMs} ms after its login: ${code} ${text}`)
    if (code < 500) deferred++
    const pauseMs = passedMs * ASK_SHARE
    if (pauseMs >= 1) await pause(pauseMs)
  }
}

function append(path: string, line: string): void {
  const log = openSync(path, 'a')
  writeSync(log, `${line}\n`)
  closeSync(log)
}

function tell(seen: readonly Seen[], entries: number): void {
  const old = seen.find(({ way }) => way.kind === '2002') as Seen
  const row = ({ way, loginMs, rcptMs, deferred }: Seen) => [
    way.name,
    ...[0.5, 0.99].map((share) => `${ratio(percentile(old.loginMs, share) / percentile(loginMs, share))}x`),
    ...[0.5, 0.99, 1].map((share) => `${ratio(percentile(loginMs, share))} ms`),
    `${ratio(percentile(rcptMs, 0.5))} ms`,
    count(loginMs.length),
    count(deferred),
  ]
  report(
    `rcpt: write(2) of a Qpopper login line to 250 for a relay attempt, ${count(entries)} entries`,
    ['', '2002 / this, median', '99%', 'median', '99%', 'longest', 'one RCPT', 'logins', '4xx meanwhile'],
    seen.map(row),
    [],
  )
}
