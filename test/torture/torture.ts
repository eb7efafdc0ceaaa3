// One run: all lanes are written and rotated while popauthd is killed and started again; at the end the oracle judges its table.
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../fuzz/support/random.ts'
import type { Lab } from '../support/lab.ts'
import { Popauthd } from '../support/popauthd.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Lane, makeLanes } from './lanes.ts'
import { keptBodies, type ListedEntry, Oracle } from './oracle.ts'
import { rotateUntil } from './rotators.ts'

const WINDOW_SECONDS = 86_400
/** Most rotations of one lane: fewer than logrotate keeps. */
const MOST_ROTATIONS = 500

/** What a run came to. `problems`: one sentence each, none where all is right. */
export interface Report {
  readonly seed: number
  readonly written: number
  readonly lost: Readonly<Record<string, number>>
  readonly rotations: Readonly<Record<string, number>>
  readonly kills: number
  readonly stops: number
  readonly problems: readonly string[]
}

/** Runs for `durationMs` and then judges. Needs an empty laboratory. */
export async function torture(lab: Lab, seed: number, durationMs: number): Promise<Report> {
  const lanes = await makeLanes(lab, seed)
  await using popauthd = new Popauthd({
    directory: join(lab.shared, 'popauthd'),
    logs: lanes.map(({ path }) => path),
    config: {
      window_seconds: WINDOW_SECONDS,
      admission: { never_defaults: false },
      log: { level: 'info', format: 'json' },
    },
  })
  const rotating = new AbortController()
  const writing = new AbortController()
  const everyMs = Math.max(1500, durationMs / MOST_ROTATIONS)
  const rotations = lanes.map((lane) =>
    rotateUntil(lane.rotator, everyMs, new Random(seed * 37 + lanes.indexOf(lane)), rotating.signal),
  )
  const writers = lanes.map((lane) => lane.writer.run(writing.signal))
  const failed = Promise.all([...rotations, ...writers]).then(() => {})
  const tormentor = new Tormentor(popauthd, new Random(seed * 41))
  await Promise.race([tormentor.run(durationMs), failed])
  rotating.abort()
  const counts = await Promise.all(rotations)
  writing.abort()
  await Promise.all(writers)
  await settled(lanes)
  const problems = [...tormentor.problems, ...(await judged(popauthd, lanes))]
  const oracle = oracleOf(lanes)
  for (const { name, mayLose } of lanes)
    if (!mayLose && oracle.lost[name] !== 0) problems.push(`${name}: ${oracle.lost[name]} logins are in no file`)
  return {
    seed,
    written: oracle.written,
    lost: oracle.lost,
    rotations: Object.fromEntries(lanes.map(({ name }, i) => [name, counts[i] ?? 0])),
    kills: tormentor.kills,
    stops: tormentor.stops,
    problems,
  }
}

/** Kills the daemon at random instants, most of them before it is ready; a few times it is stopped as one should. */
class Tormentor {
  kills = 0
  stops = 0
  readonly problems: string[] = []
  readonly #popauthd: Popauthd
  readonly #random: Random

  constructor(popauthd: Popauthd, random: Random) {
    this.#popauthd = popauthd
    this.#random = random
  }

  async run(durationMs: number): Promise<void> {
    const endMs = performance.now() + durationMs
    while (performance.now() < endMs) {
      await this.#life()
      if (this.#random.chance(0.3)) await pause(this.#random.below(this.#random.chance(0.2) ? 3000 : 300))
    }
  }

  async #life(): Promise<void> {
    const popauthd = this.#popauthd
    await popauthd.start({ ready: this.#random.chance(0.4) })
    await pause(this.#random.below(this.#random.chance(0.3) ? 150 : 1000))
    this.#listen()
    if (!popauthd.running) this.problems.push(`popauthd ended by itself: ${popauthd.output.slice(-1000)}`)
    else if (this.#random.chance(0.1)) await this.#stop()
    else {
      await popauthd.kill()
      this.kills++
    }
  }

  async #stop(): Promise<void> {
    this.stops++
    const code = await this.#popauthd.stop()
    // Before it has said anything a signal ends it as it ends any program.
    if (code !== 0 && this.#popauthd.output !== '')
      this.problems.push(`popauthd stopped with ${code}: ${this.#popauthd.output.slice(-1000)}`)
  }

  /** All files stay, so that there is nothing that it could miss; and nothing may fail. */
  #listen(): void {
    for (const event of this.#popauthd.events) {
      const detail = String(event.detail ?? event.problem ?? '')
      if (event.level === 'error' || detail.includes('may be lost'))
        this.problems.push(`popauthd says: ${event.msg}: ${detail}`)
    }
  }
}

/** Waits until the syslog daemons have written all that they were sent. */
async function settled(lanes: readonly Lane[]): Promise<void> {
  let before = -1
  await waitFor(
    'the last lines in the logs',
    () => {
      const count = lanes.reduce((sum, { path }) => sum + keptBodies(path).size, 0)
      const isSame = count === before
      before = count
      return isSame || undefined
    },
    { timeoutMs: 60_000, everyMs: 500 },
  )
}

/** Compares the table with the oracle: as it is, after a restart, and made again of the logs alone with the operator's decisions. */
async function judged(popauthd: Popauthd, lanes: readonly Lane[]): Promise<string[]> {
  const oracle = oracleOf(lanes)
  const windowMs = WINDOW_SECONDS * 1000
  const list = () => popauthd.ask<ListedEntry[]>('list')
  const problems = async (what: string, options: Parameters<Oracle['differences']>[2]) => {
    let found: string[] = []
    const isRight = async () => {
      found = oracle.differences(await list(), windowMs, options)
      return found.length === 0 || undefined
    }
    await waitFor('the table', isRight, { timeoutMs: 5000, everyMs: 500 }).catch(() => {})
    return found.map((one) => `${what}: ${one}`)
  }
  const start = async () => {
    await popauthd.start({ ready: false })
    await popauthd.event('ready', {}, { timeoutMs: 300_000, everyMs: 200 })
  }
  const found: string[] = []
  await start()
  found.push(...(await problems('at the end', {})))
  await popauthd.kill()
  await start()
  found.push(...(await problems('after a restart', {})))
  const closed = new Set(lanes.map(({ ledger }) => ledger.logins[0]?.address ?? ''))
  for (const address of closed) await popauthd.ask('block', address)
  await popauthd.stop()
  await popauthd.ask('rebuild')
  await start()
  found.push(...(await problems('made again of the logs', { fromLogs: true, closed })))
  await popauthd.stop()
  return found
}

function oracleOf(lanes: readonly Lane[]): Oracle {
  return new Oracle(lanes.map(({ name, path, ledger }) => ({ name, path, logins: ledger.logins })))
}
