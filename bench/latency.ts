/** From write(2) of a login's log line to RELAY from the socket map: the real daemon, a million entries in its table. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SocketmapClient, startDaemon } from './daemon.ts'
import { addressOf } from './filled-table.ts'
import { count, goal, percentile, ratio, report } from './measure.ts'

const ENTRIES = 1_000_000
const LOGINS = 1_000
const WARM_UP = 100
const GIVE_UP_MS = 10_000
const PAGE = Buffer.alloc(4096, 1)

/** Runs the benchmark in `directory`. */
export async function latency(directory: string): Promise<void> {
  await using daemon = await startDaemon(directory, ENTRIES)
  using client = await SocketmapClient.connect(daemon.socketPath)
  const log = openSync(daemon.logPath, 'a')
  const beside = openSync(join(directory, 'sync'), 'w')
  const loginMs: number[] = []
  const askMs: number[] = []
  const syncMs: number[] = []
  for (let i = -WARM_UP; i < LOGINS; i++) {
    // A pause of its own for each login, so that they fall on every phase of whatever the daemon does in between.
    await pause(3 + (((i + WARM_UP) * 7) % 11))
    const address = addressOf(3_000_000 + i)
    const asked = performance.now()
    if (await client.mayRelay(address)) throw new Error(`${address} may relay before its login`)
    const written = performance.now()
    writeSync(log, lineOf(i, address))
    while (!(await client.mayRelay(address))) {
      if (performance.now() - written > GIVE_UP_MS) throw new Error(`no RELAY for ${address} within ${GIVE_UP_MS} ms`)
    }
    if (i < 0) continue
    loginMs.push(performance.now() - written)
    askMs.push(written - asked)
    syncMs.push(timeSync(beside, (i + 1) * PAGE.length))
  }
  closeSync(log)
  closeSync(beside)
  tell(loginMs, askMs, syncMs)
}

function lineOf(n: number, address: string): string {
  const time = new Date().toISOString().replace('Z', '+00:00')
  return `${time} mx1 dovecot: imap-login: Login: user=<latency${n}@example.com>, method=PLAIN, rip=${address}, lip=192.0.2.25, mpid=${40_000 + n}, TLS, session=<uRyBpt1gqqjLAHEq>\n`
}

/** What the disk alone takes for a commit: new pages at the end of a file and a changed one, each made safe by a sync of its own. */
function timeSync(fd: number, offset: number): number {
  const started = performance.now()
  writeSync(fd, PAGE, 0, PAGE.length, offset)
  fdatasyncSync(fd)
  writeSync(fd, PAGE, 0, PAGE.length, 0)
  fdatasyncSync(fd)
  return performance.now() - started
}

function tell(loginMs: readonly number[], askMs: readonly number[], syncMs: readonly number[]): void {
  const [p50, p99] = [percentile(loginMs, 0.5), percentile(loginMs, 0.99)]
  const row = (name: string, values: readonly number[]) => [
    name,
    ...[0.5, 0.9, 0.99, 1].map((share) => `${percentile(values, share).toFixed(2)} ms`),
    `${ratio(percentile(values, 0.5) / percentile(syncMs, 0.5))}x`,
  ]
  report(
    `latency: write(2) of a Dovecot login line to RELAY, ${count(ENTRIES)} entries, ${count(LOGINS)} logins`,
    ['', 'median', '90%', '99%', 'longest', 'to the disk alone'],
    [
      row('log line to RELAY', loginMs),
      row('one lookup, nothing else going on', askMs),
      row('the disk alone: two writes of 4 KiB, each synced', syncMs),
    ],
    [
      goal(`2 ms median (${p50.toFixed(2)} ms)`, p50 <= 2),
      goal(`10 ms at the 99th percentile (${p99.toFixed(2)} ms)`, p99 <= 10),
    ],
  )
}
