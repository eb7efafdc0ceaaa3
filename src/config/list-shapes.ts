/** The kinds of lists that options take: networks, commands, servers, and the sources with options of their own. */
import { type Network, networkOf, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import type { SourceConfig } from './config.ts'
import { describe, type Fault, Faults, fault, suggestion } from './problem.ts'
import { absolutePath, type JsonSchema, type Shape, timezone, truth } from './shapes.ts'

const MOST_ITEMS = 10_000

/** A list; each item by its own shape. All faulty items are told. */
export function listOf<T>(item: Shape<T>, kind: string, schema: JsonSchema = {}): Shape<readonly T[]> {
  return {
    kind,
    schema: { type: 'array', items: item.schema, ...schema },
    resolve: (raw, directory) => (Array.isArray(raw) ? raw.map((one) => item.resolve?.(one, directory) ?? one) : raw),
    read(raw) {
      if (!Array.isArray(raw)) return fault(raw, `a list (${kind})`, asList(raw))
      if (raw.length > MOST_ITEMS) return fault(raw, `a list of at most ${MOST_ITEMS}`)
      const read = raw.map((one) => item.read(one))
      const faults = read.flatMap((one, index) => (one instanceof Faults ? shifted(one, index) : []))
      return faults.length > 0 ? new Faults(faults) : (read as T[])
    },
  }
}

function asList(raw: unknown): string | undefined {
  return typeof raw === 'string' && /^[\w./:-]+$/.test(raw) ? `write [${describe(raw)}]` : undefined
}

/** The faults of a part, told from the whole that `steps` lead from. */
export function shifted(faults: Faults, ...steps: (string | number)[]): Fault[] {
  return faults.list.map((one) => ({ ...one, at: [...steps, ...one.at] }))
}

const network: Shape<Network> = {
  kind: 'address or network',
  schema: { type: 'string' },
  read(raw) {
    const read = typeof raw === 'string' ? parseNetwork(raw) : undefined
    return read ?? fault(raw, 'an address or a network such as 192.0.2.0/24 or "2001:db8::/32"', networkMend(raw))
  },
}

function networkMend(raw: unknown): string | undefined {
  const [, text, length] = /^([^/]+)\/(\d{1,3})$/.exec(String(raw)) ?? []
  const address = text === undefined ? undefined : parseClientAddress(text)
  if (address === undefined || Number(length) > (address.includes(':') ? 128 : 32)) return undefined
  return `bits beyond the prefix must be zero: write ${networkOf(address, Number(length)).text}`
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

const serverId: Shape<string> = {
  kind: 'server',
  schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]*$' },
  read(raw) {
    if (typeof raw === 'string' && /^[a-z0-9][a-z0-9-]{0,63}$/.test(raw)) return raw
    return fault(raw, 'the id of a server', '`popauthd formats` lists them')
  },
}

/** Ids of POP3 and IMAP servers; that they are known is checked by checks.ts. */
export const serverIds = listOf(serverId, 'server ids', { uniqueItems: true })

/** An option of a source. */
export interface Member {
  readonly shape: Shape<unknown>
  readonly default: string
  readonly says: string
}

/** The options of each entry of `sources`. */
export const sourceMembers = {
  file: { shape: absolutePath, default: '', says: 'The log file to follow.' },
  journal: {
    shape: truth,
    default: 'false',
    says: 'Follow the systemd journal instead of a file, through `journalctl`.',
  },
  timezone: { shape: timezone, default: 'local', says: 'The time zone of lines that name none.' },
  servers: {
    shape: serverIds,
    default: '[]',
    says: 'Servers that write there; empty means those of the option `servers`.',
  },
} as const satisfies Record<string, Member>

const MEMBERS = Object.keys(sourceMembers) as (keyof typeof sourceMembers)[]

const source: Shape<SourceConfig> = {
  kind: 'source',
  schema: {
    type: 'object',
    properties: Object.fromEntries(
      MEMBERS.map((name) => [name, { ...sourceMembers[name].shape.schema, description: sourceMembers[name].says }]),
    ),
    additionalProperties: false,
    oneOf: [
      { required: ['file'], properties: { journal: { const: false } } },
      { required: ['journal'], properties: { journal: { const: true } }, not: { required: ['file'] } },
    ],
  },
  resolve: (raw, directory) => {
    if (!isGroup(raw) || raw.file === undefined) return raw
    return { ...raw, file: absolutePath.resolve?.(raw.file, directory) }
  },
  read(raw) {
    if (!isGroup(raw))
      return fault(raw, '`file: PATH` or `journal: true`', typeof raw === 'string' ? `write file: ${raw}` : undefined)
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
  const journal = value(truth, 'journal', false)
  if ('file' in raw && journal)
    return new Faults([{ at: ['journal'], text: 'a source is a file or the journal, not both; make two entries' }])
  if (journal) return { kind: 'journal', ...common }
  if ('file' in raw) return { kind: 'file', path: value(absolutePath, 'file', ''), ...common }
  return new Faults([{ at: [], text: 'names no log; add `file: PATH` or `journal: true`' }])
}

/** True for a mapping. */
export function isGroup(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
}

/** The logs to follow. */
export const sources = listOf(source, 'entries `file: PATH` or `journal: true`')
