/** The kinds of lists that options take: networks, commands, servers, and the sources with options of their own. */
import { type Network, parseNetwork, parseNetworkAround } from '../core/client-address.ts'
import type { JournalSenders, ProvenConfig, ReportsConfig, SourceConfig, SyslogConfig } from './config.ts'
import { listOf } from './list-of.ts'
import { isGroup, type Member, shifted } from './members.ts'
import { type Fault, Faults, fault, suggestion } from './problem.ts'
import { dovecotReports } from './report-shape.ts'
import { senders } from './sender-shape.ts'
import { serverId } from './server-id.ts'
import { absolutePath, fileMode, groupName, type Shape, timezone, truth } from './shapes.ts'
import { syslog } from './syslog-shape.ts'
import { whoson } from './whoson-shape.ts'

const network: Shape<Network> = {
  kind: 'address or network',
  schema: { type: 'string' },
  read(raw) {
    const read = typeof raw === 'string' ? parseNetwork(raw) : undefined
    return read ?? fault(raw, 'an address or a network such as 192.0.2.0/24 or "2001:db8::/32"', networkMend(raw))
  },
}

function networkMend(raw: unknown): string | undefined {
  const meant = parseNetworkAround(String(raw))
  return meant && `bits beyond the prefix must be zero: write ${meant.text}`
}

/** A list of addresses and networks, IPv4 and IPv6. */
export const networks = listOf(network, 'addresses and networks')

const word: Shape<string> = {
  kind: 'text',
  schema: { type: 'string' },
  read(raw) {
    if (typeof raw === 'number') return fault(raw, 'text', `write "${raw}"`)
    return typeof raw === 'string' && !raw.includes('\0') ? raw : fault(raw, 'text')
  },
}

/** A program (absolute path) and its arguments; no shell sees them. With `optional`, `[]` is none. */
export function command(optional: boolean): Shape<readonly string[]> {
  const list = listOf(word, 'program and arguments', optional ? {} : { minItems: 1 })
  const expected = `a program and its arguments, such as [/usr/sbin/makemap, "{type}", "{map}"]${optional ? ', or []' : ''}`
  return {
    ...list,
    read(raw) {
      const words = list.read(raw)
      if (words instanceof Faults) return Array.isArray(raw) ? words : fault(raw, expected)
      if (words.length === 0) return optional ? words : fault(raw, expected)
      const program = absolutePath.read(words[0])
      return program instanceof Faults ? new Faults(shifted(program, 0)) : words
    },
  }
}

/** Ids of POP3 and IMAP servers. */
export const serverIds = listOf(serverId, 'server ids', { uniqueItems: true })

/** The options of each entry of `sources`. */
export const sourceMembers = {
  file: {
    shape: absolutePath,
    default: '',
    says: 'The log file to follow. A `*` in its name is a date or a number: `/var/log/mail-*.log`.',
  },
  journal: {
    shape: truth,
    default: 'false',
    says: 'Follow the systemd journal instead of a file, through `journalctl`.',
  },
  fifo: {
    shape: absolutePath,
    default: '',
    says: 'The named pipe that a syslog daemon writes to; it is made where it is missing.',
  },
  mode: {
    shape: fileMode,
    default: '"0600"',
    says: '`fifo`: rights of a pipe that is made; whoever may write to it can open the relay. Root always may.',
  },
  group: {
    shape: groupName,
    default: 'null',
    says: "`fifo`: group of a pipe that is made; null is the daemon's own group.",
  },
  syslog: {
    shape: syslog,
    default: '',
    says: 'Receive syslog messages, with the options below; [syslog.md](syslog.md) shows what to write in rsyslog and syslog-ng.',
  },
  dovecot_reports: {
    shape: dovecotReports,
    default: '',
    says: 'Logins that Dovecot itself reports, with the options below; [dovecot-reports.md](dovecot-reports.md) shows what to write in Dovecot.',
  },
  whoson: {
    shape: whoson,
    default: '',
    says: "Logins that servers tell by Whoson's LOGIN, with the options below; [whoson.md](whoson.md) says what each command does.",
  },
  senders: {
    shape: senders,
    default: '[]',
    says: '`journal`: who writes the lines of single servers, with the options below, where it is not who popauthd expects; [journal.md](journal.md) shows how to find out.',
  },
  timezone: { shape: timezone, default: 'local', says: 'The time zone of lines that name none.' },
  servers: {
    shape: serverIds,
    default: '[]',
    says: 'Servers that write there; empty means those of the option `servers`.',
  },
} as const satisfies Record<string, Member>

const MEMBERS = Object.keys(sourceMembers) as (keyof typeof sourceMembers)[]
/** What a source can be; each entry is one of these. */
const KINDS = ['file', 'journal', 'fifo', 'syslog', 'dovecot_reports', 'whoson'] as const
const NO_SENDERS = 'only the journal knows who wrote a line; take it out'
const KIND_WORDS = '`file: PATH`, `journal: true`, `fifo: PATH`, `syslog:`, `dovecot_reports:` or `whoson:`'

const source: Shape<SourceConfig> = {
  kind: 'source',
  schema: {
    type: 'object',
    properties: Object.fromEntries(
      MEMBERS.map((name) => [name, { ...sourceMembers[name].shape.schema, description: sourceMembers[name].says }]),
    ),
    additionalProperties: false,
    oneOf: KINDS.map((kind) => ({
      required: [kind],
      properties: { journal: { const: kind === 'journal' } },
      not: {
        anyOf: KINDS.filter((other) => other !== kind && other !== 'journal').map((name) => ({ required: [name] })),
      },
    })),
  },
  resolve: (raw, directory) => {
    if (!isGroup(raw) || raw.file === undefined) return raw
    return { ...raw, file: absolutePath.resolve?.(raw.file, directory) }
  },
  read(raw) {
    if (!isGroup(raw)) return fault(raw, KIND_WORDS, typeof raw === 'string' ? `write file: ${raw}` : undefined)
    const faults = Object.keys(raw).flatMap((key) => memberFaults(key, raw[key]))
    if (faults.length > 0) return new Faults(faults)
    return sourceOf(raw)
  },
}

function memberFaults(key: string, value: unknown): Fault[] {
  if (!Object.hasOwn(sourceMembers, key))
    return [{ at: [key], text: `no such option; ${suggestion(key, MEMBERS, 'a source has')}`, ofKey: true }]
  const read = sourceMembers[key as keyof typeof sourceMembers].shape.read(value)
  return read instanceof Faults ? shifted(read, key) : []
}

function sourceOf(raw: Readonly<Record<string, unknown>>): SourceConfig | Faults {
  const value = <T>(shape: Shape<T>, name: string, otherwise: T) =>
    name in raw ? (shape.read(raw[name]) as T) : otherwise
  const common = { timezone: value(timezone, 'timezone', 'local'), servers: value(serverIds, 'servers', []) }
  const given = KINDS.filter((kind) => (kind === 'journal' ? value(truth, kind, false) : kind in raw))
  const [kind, second] = given
  if (kind === undefined) return new Faults([{ at: [], text: `names no log; add ${KIND_WORDS}` }])
  if (second !== undefined)
    return new Faults([{ at: [second], text: `a source is one of ${KINDS.join(', ')}; make ${given.length} entries` }])
  if (kind === 'dovecot_reports' || kind === 'whoson') return withoutLog(raw, kind)
  const foreign = kind === 'fifo' ? [] : ['mode', 'group'].filter((name) => name in raw)
  if (foreign.length > 0) return new Faults(foreign.map((name) => foreignRights(name, kind)))
  if (kind !== 'journal' && 'senders' in raw) return new Faults([{ at: ['senders'], text: NO_SENDERS, ofKey: true }])
  if (kind === 'journal')
    return { kind, ...common, ...('senders' in raw ? { senders: senders.read(raw.senders) as JournalSenders[] } : {}) }
  if (kind === 'syslog') return { kind, ...common, receiver: syslog.read(raw.syslog) as SyslogConfig }
  const path = value(absolutePath, kind, '')
  if (kind === 'file') return { kind, path, ...common }
  const rights = { mode: value(fileMode, 'mode', 0o600), group: value(groupName, 'group', undefined) }
  return { kind, path, ...rights, ...common }
}

/** Sources that hand logins on as they are told: there is no line to read. */
function withoutLog(raw: Readonly<Record<string, unknown>>, kind: 'dovecot_reports' | 'whoson'): SourceConfig | Faults {
  const foreign = Object.keys(raw).filter((name) => name !== kind && name !== 'journal')
  const what = kind === 'whoson' ? 'whoson has' : 'login reports have'
  if (foreign.length > 0)
    return new Faults(foreign.map((name) => ({ at: [name], text: `${what} no such option; take it out`, ofKey: true })))
  const timezone = 'local'
  if (kind === 'whoson') return { kind, receiver: whoson.read(raw.whoson) as ProvenConfig, timezone, servers: [] }
  return { kind, reports: dovecotReports.read(raw.dovecot_reports) as ReportsConfig, timezone, servers: ['dovecot'] }
}

function foreignRights(name: string, kind: string): Fault {
  const mend = kind === 'syslog' ? `indent it below syslog` : 'take it out'
  return { at: [name], text: `only a fifo has this option here; ${mend}`, ofKey: true }
}

/** The logs to follow. */
export const sources = listOf(source, `entries ${KIND_WORDS}`)
