/** Lookups per second on one core, live, against an echo server in the same language and against postmap; and idle connections. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { noPostmap, postfixTools } from '../test/support/postmap.ts'
import { mustRun } from '../test/support/run.ts'
import { Asker, askOnce, echoed, inBatches, type ProtocolName, type Question, questions } from './asking.ts'
import { type BenchDaemon, prepareHost } from './daemon.ts'
import { cpuSeconds, pin, startEcho } from './echo-server.ts'
import { addressOf } from './filled-table.ts'
import { count, goal, inTurns, median, megabytes, percentile, ratio, report, timeProgram } from './measure.ts'

const ENTRIES = 1_000_000
const ROUNDS = 5
/** A round ends after this time, however few were asked: a busy machine makes each of them slow. */
const ROUND_MS = 1000
const IDLE = 1000
const GOAL = 0.8
/** Room for the idle ones and those that ask. */
const MAX_CONNECTIONS = 2 * IDLE
const PROTOCOLS = ['socketmap', 'policy', 'readsocket'] as const

/** Clients that an MTA asks about: some that send mail again and again, or ever new ones (so many that none comes again soon). */
const AGAIN = 2_048
const EVER_NEW = 102_400

/** A way to ask. */
interface Form {
  readonly protocol: ProtocolName
  readonly says: string
  readonly connections: number
  /** Questions that are sent together. */
  readonly batch: number
  /** In a round at most. */
  readonly lookups: number
  /** How many clients are asked about in turn, the same ones in each round. */
  readonly clients: number
}

const ONE = { says: 'one at a time', connections: 1, batch: 1, lookups: 20_000 }
const SIXTEEN = { says: '16 connections', connections: 16, batch: 1, lookups: 40_000 }
const BY_64 = { says: 'pipelined by 64', connections: 1, batch: 64, lookups: 128_000 }

const FORMS: readonly Form[] = [
  ...(['socketmap', 'policy'] as const).flatMap((protocol) =>
    [ONE, SIXTEEN, BY_64].flatMap((way) => [
      { ...way, protocol, clients: AGAIN },
      { ...way, protocol, clients: EVER_NEW },
    ]),
  ),
  { protocol: 'readsocket', says: 'a connection each', connections: 1, batch: 1, lookups: 8_000, clients: EVER_NEW },
  { protocol: 'readsocket', says: '16 at a time', connections: 16, batch: 1, lookups: 16_000, clients: EVER_NEW },
]

/** Questions in a ring: each round goes on where the one before it stopped. */
class Ring {
  readonly #questions: readonly Question[]
  #next = 0

  constructor(questions: readonly Question[]) {
    this.#questions = questions
  }

  next(): Question {
    return this.#questions[this.#next++ % this.#questions.length] as Question
  }
}

/** One round: lookups a second by the clock, and for each second of the server's CPU time; each wait in milliseconds. */
interface Round {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly waitsMs: readonly number[]
}

/** Runs the benchmark in `directory`. */
export async function lookups(directory: string, scale: number): Promise<void> {
  const entries = Math.round(ENTRIES * scale)
  const pathOf = (protocol: ProtocolName) => join(directory, `${protocol}.sock`)
  const entry = (protocol: ProtocolName) => ({
    protocol,
    socket: pathOf(protocol),
    max_connections: MAX_CONNECTIONS,
  })
  const host = await prepareHost(directory, entries, { lookups: PROTOCOLS.map(entry) })
  await using daemon = host.spawn()
  await daemon.ready()
  const others = onCoresOfTheirOwn(daemon)
  const live = await compareLive(directory, entries, daemon, pathOf, others.server)
  await comparePostmap(directory, entries, live)
  await holdIdle(daemon, pathOf('socketmap'), entries)
  others.release()
}

/** Servers on the first core, this process on the others; with one core all share it. */
function onCoresOfTheirOwn({ pid }: BenchDaemon): { server: (pid: number) => void; release: () => void } {
  const last = cpus().length - 1
  if (last < 1) return { server: () => {}, release: () => {} }
  const server = (of: number) => pin(of, '0')
  server(pid)
  pin(process.pid, `1-${last}`)
  return { server, release: () => pin(process.pid, `0-${last}`) }
}

async function compareLive(
  directory: string,
  entries: number,
  daemon: BenchDaemon,
  pathOf: (protocol: ProtocolName) => string,
  pinServer: (pid: number) => void,
): Promise<number> {
  const echoPath = join(directory, 'echo.sock')
  const oncePath = join(directory, 'once.sock')
  await using echo = await startEcho(echoPath, false)
  await using once = await startEcho(oncePath, true)
  for (const { pid } of [echo, once]) pinServer(pid)
  const rows: string[][] = []
  const shares: [Form, number][] = []
  let best = 0
  for (const form of FORMS) {
    const isOnce = form.protocol === 'readsocket'
    const asked = questions(form.protocol, entries, form.clients)
    const own = new Ring(inBatches(asked, form.batch))
    const plain = new Ring(inBatches(echoed(asked), form.batch))
    const limit = isOnce ? { path: oncePath, pid: once.pid } : { path: echoPath, pid: echo.pid }
    const jobs = [
      () => round(form, own, pathOf(form.protocol), daemon.pid),
      () => round(form, plain, limit.path, limit.pid),
    ]
    for (const job of jobs) await job()
    const [popauthd = [], echoing = []] = await inTurns(jobs, ROUNDS)
    const of = (rounds: readonly Round[], name: 'perSecond' | 'perCpuSecond') => median(rounds.map((one) => one[name]))
    const share = of(popauthd, 'perCpuSecond') / of(echoing, 'perCpuSecond')
    shares.push([form, share])
    if (!isOnce) best = Math.max(best, of(popauthd, 'perCpuSecond'))
    const p99 = (rounds: readonly Round[]) =>
      percentile(
        rounds.flatMap(({ waitsMs }) => waitsMs),
        0.99,
      )
    rows.push([
      `${form.protocol}, ${form.says}, ${whom(form)}`,
      percent(share),
      percent(of(popauthd, 'perSecond') / of(echoing, 'perSecond')),
      thousands(of(popauthd, 'perCpuSecond')),
      thousands(of(popauthd, 'perSecond')),
      `${p99(popauthd).toFixed(2)} ms`,
      `${p99(echoing).toFixed(2)} ms`,
    ])
  }
  report(
    `lookups: ${count(entries)} entries, every second address in the table, the server on one core, medians of ${ROUNDS}`,
    ['', 'of echo, by CPU', 'of echo, by clock', 'per CPU second', 'per second', 'p99', "echo's p99"],
    rows,
    shares.map(([form, share]) =>
      goal(
        `${form.protocol}, ${form.says}, ${whom(form)}: ${percent(GOAL)} of the echo server (${percent(share)})`,
        share >= GOAL,
      ),
    ),
  )
  return best
}

async function round(form: Form, ring: Ring, path: string, pid: number): Promise<Round> {
  const waitsMs: number[] = []
  let left = Math.ceil(form.lookups / form.batch)
  const isOnce = form.protocol === 'readsocket'
  const askers = isOnce ? [] : await Promise.all(Array.from({ length: form.connections }, () => Asker.connect(path)))
  const cpuBefore = cpuSeconds(pid)
  const started = performance.now()
  const one = async (at: number) => {
    const asker = askers[at]
    while (left-- > 0 && performance.now() - started < ROUND_MS) {
      const askedAt = performance.now()
      const next = ring.next()
      await (asker === undefined ? askOnce(path, next) : asker.ask(next))
      waitsMs.push(performance.now() - askedAt)
    }
  }
  await Promise.all(Array.from({ length: form.connections }, (_, at) => one(at)))
  const seconds = (performance.now() - started) / 1000
  const cpu = cpuSeconds(pid) - cpuBefore
  for (const asker of askers) asker[Symbol.dispose]()
  const lookups = waitsMs.length * form.batch
  return { perSecond: lookups / seconds, perCpuSecond: lookups / cpu, waitsMs }
}

async function comparePostmap(directory: string, entries: number, live: number): Promise<void> {
  if (noPostmap !== undefined) {
    console.log(`\npostmap is not compared: ${noPostmap}`)
    return
  }
  const home = join(directory, 'postfix')
  await mustRun('mkdir', ['-p', home])
  const { command } = await postfixTools(home)
  const [postmap = ''] = command
  const lines = Array.from({ length: entries }, (_, n) => `${addressOf(n)} OK\n`)
  writeFileSync(join(home, 'clients'), lines.sort().join(''))
  const total = 400_000
  const [few, many] = [join(home, 'few'), join(home, 'many')]
  const keys = Array.from({ length: total }, (_, i) => {
    const n = Math.abs(Math.imul(i + 1, 7_919 * 31)) % entries
    return `${addressOf(i % 2 === 0 ? n : n + 4_000_000)}\n`
  })
  writeFileSync(few, keys.slice(0, 2).join(''))
  writeFileSync(many, keys.join(''))
  const rows: string[][] = []
  for (const type of ['lmdb', 'cdb']) {
    const table = `${type}:${join(home, 'clients')}`
    await mustRun(postmap, [table], { timeoutMs: 600_000 })
    const ask = (file: string) => () =>
      timeProgram(['sh', '-c', '"$0" -q - "$1" < "$2"', postmap, table, file], join(home, 'answers'))
    const [short = [], long = []] = await inTurns([ask(few), ask(many)], ROUNDS)
    // Without its start.
    const cpu = median(long.map(({ cpuS }) => cpuS)) - median(short.map(({ cpuS }) => cpuS))
    const wall = median(long.map(({ wallS }) => wallS)) - median(short.map(({ wallS }) => wallS))
    rows.push([
      `postmap -q -, ${type}`,
      `${ratio(total / cpu / live)}x`,
      thousands(total / cpu),
      thousands(total / wall),
    ])
  }
  report(
    `postmap: the same entries in a file, ${count(total)} keys on standard input, without its start`,
    ['', "to popauthd's best", 'per CPU second', 'per second'],
    [...rows, ["popauthd's best, from above", '1x', thousands(live), '']],
    [
      'postmap asks a file in its own process: no socket is between, as there is for an MTA that asks proxymap or popauthd',
    ],
  )
}

async function holdIdle(daemon: BenchDaemon, path: string, entries: number): Promise<void> {
  const form: Form = { ...ONE, protocol: 'socketmap', clients: EVER_NEW }
  const asked = questions('socketmap', entries, form.clients)
  const ring = new Ring(asked)
  const measure = async () => {
    const waits: number[] = []
    for (let i = 0; i < 3; i++) waits.push(...(await round(form, ring, path, daemon.pid)).waitsMs)
    return { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99), kb: daemon.memory().anonymousKb }
  }
  await measure()
  const before = await measure()
  const idle: Asker[] = []
  // One after the other: more than some hundreds at once overflow the queue of a listening socket. Each has asked once, as an MTA's processes have.
  for (const next of asked.slice(0, IDLE)) {
    const asker = await Asker.connect(path)
    await asker.ask(next)
    idle.push(asker)
  }
  const during = await measure()
  for (const asker of idle) asker[Symbol.dispose]()
  const after = await measure()
  const row = (name: string, { p50, p99, kb }: typeof before) => [
    name,
    `${ratio(p99 / before.p99)}x`,
    `${p50.toFixed(3)} ms`,
    `${p99.toFixed(3)} ms`,
    megabytes(kb * 1024),
  ]
  report(
    `idle: ${count(IDLE)} connections of MTAs that ask nothing, and one that asks one at a time (socket map)`,
    ['', 'p99, to before', 'median', 'p99', 'RssAnon'],
    [row('before', before), row(`${count(IDLE)} idle`, during), row('after', after)],
    [`each idle connection: ${((during.kb - before.kb) / IDLE).toFixed(1)} KiB`],
  )
}

/** In the words of the table. */
const whom = ({ clients }: Form): string => (clients === AGAIN ? 'clients again' : 'ever new clients')
const percent = (share: number): string => `${Math.round(share * 100)}%`
const thousands = (perSecond: number): string => count(Math.round(perSecond))
