// The lanes of the torture: each a log with its writer and its rotation, as real systems combine them.
import { mkdir } from 'node:fs/promises'
import { Random } from '../fuzz/support/random.ts'
import type { Lab } from '../support/lab.ts'
import { type HeaderFormat, Ledger } from './ledger.ts'
import { Logrotate, Newsyslog, type RotatedLog, type Rotator } from './rotators.ts'
import { startSyslogNg, startTorturedRsyslog } from './syslog-daemons.ts'
import { DirectWriter, SyslogWriter, type Writer } from './writers.ts'

/** A log, who writes it and who rotates it. */
export interface Lane {
  readonly name: string
  readonly path: string
  readonly ledger: Ledger
  readonly writer: Writer
  readonly rotator: Rotator
  /** True where rotation itself loses lines that nobody read in time: those that copytruncate does not copy, or that follow compression. */
  readonly mayLose: boolean
  readonly random: Random
}

type Logs = 'rsyslog' | 'syslog-ng' | 'direct'

interface Plan {
  readonly name: string
  readonly writer: Logs
  /** Lines of logrotate's configuration; undefined: newsyslog. `HUP` stands for the script that signals the syslog daemon. */
  readonly logrotate?: readonly string[]
  readonly mayLose: boolean
}

const DATED = ['dateext', 'dateformat -%Y%m%d-%s']
const PLANS: readonly Plan[] = [
  {
    name: 'rsyslog-create',
    writer: 'rsyslog',
    logrotate: ['create 0640', 'compress', 'delaycompress', 'HUP'],
    mayLose: false,
  },
  { name: 'rsyslog-copytruncate', writer: 'rsyslog', logrotate: ['copytruncate', 'compress'], mayLose: true },
  {
    name: 'syslogng-create',
    writer: 'syslog-ng',
    logrotate: ['create 0640', ...DATED, 'compress', 'HUP'],
    mayLose: true,
  },
  { name: 'direct-newsyslog', writer: 'direct', mayLose: false },
  {
    name: 'direct-copytruncate',
    writer: 'direct',
    logrotate: ['copytruncate', ...DATED, 'compress', 'delaycompress'],
    mayLose: true,
  },
  { name: 'direct-nocreate', writer: 'direct', logrotate: ['nocreate', ...DATED], mayLose: false },
]

/** Starts the syslog daemons and makes the lanes; nothing is written yet. */
export async function makeLanes(lab: Lab, seed: number): Promise<Lane[]> {
  const served = (name: string) => ({ path: pathOf(lab, name), socket: `${lab.shared}/run/${name}` })
  const of = (writer: Logs) => PLANS.filter((plan) => plan.writer === writer).map(({ name }) => served(name))
  for (const { name } of PLANS) await mkdir(`${lab.shared}/log/${name}`, { mode: 0o755 })
  const signals = {
    rsyslog: await startTorturedRsyslog(lab, of('rsyslog')),
    'syslog-ng': await startSyslogNg(lab, of('syslog-ng')),
    direct: '',
  }
  const root = await lab.root('syslogNg', 'logrotate')
  return PLANS.map(({ name, writer: kind, logrotate, mayLose }, i) => {
    const random = new Random(seed * 31 + i)
    const format: HeaderFormat = kind === 'direct' ? (i % 2 === 0 ? 'iso' : 'traditional') : 'rfc3164'
    const ledger = new Ledger(i, format, random)
    const { path, socket } = served(name)
    const writer = kind === 'direct' ? new DirectWriter(path, ledger, random) : new SyslogWriter(socket, ledger, random)
    const isCopied = logrotate?.includes('copytruncate') === true
    const log: RotatedLog = { path, reopen: async () => (isCopied ? undefined : writer.reopen()) }
    const script = ['postrotate', signals[kind], 'endscript']
    const options = logrotate?.flatMap((line) => (line === 'HUP' ? script : [line]))
    const rotator = options === undefined ? new Newsyslog(log, random) : new Logrotate(root, log, options)
    return { name, path, ledger, writer, rotator, mayLose, random }
  })
}

function pathOf(lab: Lab, name: string): string {
  return `${lab.shared}/log/${name}/mail.log`
}
