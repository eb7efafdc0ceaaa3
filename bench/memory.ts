/** What the daemon's memory holds with a million entries, and how many lookups a second it answers. */
import { SocketmapClient, startDaemon } from './daemon.ts'
import { addressOf } from './filled-table.ts'
import { count, goal, report } from './measure.ts'

const ENTRIES = 1_000_000
const LOOKUPS = 100_000
const CLIENTS = 8
const GOAL_MB = 250
const KB_PER_MB = 1000 / 1.024

/** Runs the benchmark in `directory`. */
export async function memory(directory: string): Promise<void> {
  await using daemon = await startDaemon(directory, ENTRIES)
  const started = daemon.memory()
  const alone = await lookupsPerSecond(daemon.socketPath, 1, LOOKUPS / 2)
  const together = await lookupsPerSecond(daemon.socketPath, CLIENTS, LOOKUPS / 2)
  const ended = daemon.memory()
  const mb = (kilobytes: number) => `${(kilobytes / KB_PER_MB).toFixed(0)} MB`
  report(
    `memory: the daemon with ${count(ENTRIES)} entries`,
    ['', 'after start', `after ${count(LOOKUPS)} lookups`],
    [
      ['RssAnon (its own)', mb(started.anonymousKb), mb(ended.anonymousKb)],
      ['VmRSS (with cached pages of the table)', mb(started.residentKb), mb(ended.residentKb)],
    ],
    [goal(`RssAnon at most ${GOAL_MB} MB`, ended.anonymousKb / KB_PER_MB <= GOAL_MB)],
  )
  report(
    `lookups: socket map, one question after the other on each connection, every second address in the table`,
    ['connections', 'lookups/s'],
    [
      ['1', count(Math.round(alone))],
      [String(CLIENTS), count(Math.round(together))],
    ],
    [],
  )
}

/** `clients` connections ask `lookups` questions in all. */
async function lookupsPerSecond(path: string, clients: number, lookups: number): Promise<number> {
  const connections = await Promise.all(Array.from({ length: clients }, () => SocketmapClient.connect(path)))
  const started = performance.now()
  await Promise.all(connections.map((client, i) => askMany(client, i, lookups / clients)))
  const seconds = (performance.now() - started) / 1000
  for (const client of connections) client[Symbol.dispose]()
  return lookups / seconds
}

async function askMany(client: SocketmapClient, first: number, lookups: number): Promise<void> {
  for (let i = 0; i < lookups; i++) {
    const known = i % 2 === 0
    const n = Math.abs(Math.imul(first + i * 7_919, 31)) % ENTRIES
    const answer = await client.mayRelay(addressOf(known ? n : n + 4_000_000))
    if (answer !== known) throw new Error(`a wrong answer about ${addressOf(n)}`)
  }
}
