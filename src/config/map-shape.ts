/** The entries of `maps`: copies of the table that MTAs (or a firewall) read, kept in step with it. */
import { dirname } from 'node:path'
import type { MapConfig } from './config.ts'
import { listOf } from './list-of.ts'
import { command } from './list-shapes.ts'
import { type Member, record, refined } from './members.ts'
import type { Fault } from './problem.ts'
import { absolutePath, fileMode, groupName, integer, oneOf, words } from './shapes.ts'

/** What a map may be. */
const mapFormats = [
  'postfix',
  'exim_list',
  'exim_iplsearch',
  'exim_cdb',
  'opensmtpd',
  'tcprules',
  'courier',
  'nftables',
  'command',
] as const

type MapFormat = (typeof mapFormats)[number]

/** The options of each entry of `maps`. */
export const mapMembers = {
  format: {
    shape: oneOf([...mapFormats]),
    default: '',
    says: '`postfix`, `exim_list`, `exim_iplsearch`, `exim_cdb`, `opensmtpd`, `tcprules` (qmail), `courier`, `nftables`, or `command` (a program of yours).',
  },
  path: {
    shape: absolutePath,
    default: '',
    says: 'The file; for `postfix` without the suffix, as in main.cf. Directories are made below the state directory only.',
  },
  mode: {
    shape: fileMode,
    default: '"0644"',
    says: 'Rights of a file that is made; the MTA must be able to read it. Those of a file that is there are kept.',
  },
  group: {
    shape: groupName,
    default: 'null',
    says: "Group of a file that is made; null is the daemon's own group.",
  },
  map_type: {
    shape: oneOf(['lmdb', 'cdb', 'hash', 'btree']),
    default: '',
    says: '`postfix`: type of the map; what `postconf -h default_database_type` says unless given.',
  },
  rules: {
    shape: absolutePath,
    default: '',
    says: '`tcprules`: the file with rules of your own, which are merged in; `courier`: the directory with files of your own, /etc/courier/smtpaccess unless given. The more specific rule wins, and what yours deny stays denied.',
  },
  table: {
    shape: words(2, 'an address family and the name of a table, such as inet filter'),
    default: 'inet filter',
    says: '`nftables`: family and name of the table that holds the sets.',
  },
  set_ipv4: {
    shape: words(1, 'the name of a set'),
    default: 'popauthd4',
    says: '`nftables`: the set of IPv4 addresses, with `flags timeout`.',
  },
  set_ipv6: {
    shape: words(1, 'the name of a set'),
    default: 'popauthd6',
    says: '`nftables`: the set of IPv6 addresses, with `flags timeout`.',
  },
  set_always_ipv4: {
    shape: words(1, 'the name of a set'),
    default: 'popauthd4_always',
    says: '`nftables`: the set of the IPv4 networks in `admission.always`, with `flags interval`; needed where there are such.',
  },
  set_always_ipv6: {
    shape: words(1, 'the name of a set'),
    default: 'popauthd6_always',
    says: '`nftables`: the same for IPv6.',
  },
  command: {
    shape: command(true),
    default: '',
    says: 'Program and arguments, no shell: `command` runs it for each change; `opensmtpd` and `courier` run it after the file has changed; `postfix` and `nftables` use it in place of /usr/sbin/postmap and /usr/sbin/nft.',
  },
  gather_milliseconds: {
    shape: integer(0, 60_000, 'milliseconds'),
    default: '200',
    says: 'Changes that come within this time, a second at most, are published together; 1000 for `courier` unless given.',
  },
} as const satisfies Record<string, Member>

type MemberName = keyof typeof mapMembers

const FILE: readonly MemberName[] = ['path', 'mode', 'group']

/** What each format may have besides `format` and `gather_milliseconds`. */
const MEMBERS_OF: Readonly<Record<MapFormat, readonly MemberName[]>> = {
  postfix: [...FILE, 'map_type', 'command'],
  exim_list: FILE,
  exim_iplsearch: FILE,
  exim_cdb: FILE,
  opensmtpd: [...FILE, 'command'],
  tcprules: [...FILE, 'rules'],
  courier: [...FILE, 'rules', 'command'],
  nftables: ['table', 'set_ipv4', 'set_ipv6', 'set_always_ipv4', 'set_always_ipv6', 'command'],
  command: ['command'],
}

/** Where Courier keeps its access files, in Debian. */
const SMTPACCESS = '/etc/courier/smtpaccess'

const DEFAULT_COMMANDS: Readonly<Partial<Record<MapFormat, readonly string[]>>> = {
  postfix: ['/usr/sbin/postmap'],
  nftables: ['/usr/sbin/nft'],
}

type Read = Readonly<Partial<Record<MemberName, unknown>>> & { readonly format: MapFormat }

const anyMap = record<Read>(mapMembers, 'a mapping with `format` and `path`', ['format'])

const map = refined(anyMap, 'map', faultsOf, mapOf)

/** What a map without a command lacks. */
const NEEDS_COMMAND: Readonly<Partial<Record<MapFormat, string>>> = {
  command: 'add the program and its arguments: [/usr/local/bin/on-change]',
  opensmtpd:
    'smtpd reads the file only when told to, so add what does it (docs/opensmtpd.md): [/usr/bin/touch, /var/lib/popauthd/opensmtpd-changed]',
  courier:
    'Courier reads what makesmtpaccess makes of the file, so add what runs it (docs/courier.md): [/usr/bin/touch, /var/lib/popauthd/courier-changed]',
}

function faultsOf(read: Read): Fault[] {
  const may = MEMBERS_OF[read.format]
  const foreign = (Object.keys(read) as MemberName[])
    .filter((name) => name !== 'format' && name !== 'gather_milliseconds' && !may.includes(name))
    .map((name) => ({
      at: [name],
      text: `a map of format ${read.format} has no such option; take it out`,
      ofKey: true,
    }))
  const lacksPath = may.includes('path') && read.path === undefined
  return [
    ...foreign,
    ...(lacksPath ? [{ at: [], text: 'has no path; add the file that the MTA reads' }] : []),
    ...placeFaults(read),
    ...commandFaults(read),
  ]
}

/** What popauthd writes takes the place of what lies there. */
function placeFaults({ format, path, rules }: Read): Fault[] {
  if (format === 'courier' && dirname(String(path)) === (rules ?? SMTPACCESS)) {
    const text =
      'lies among your own files, where makesmtpaccess may meet it half written; choose another directory; docs/courier.md says how it gets there'
    return [{ at: ['path'], text }]
  }
  if (format !== 'tcprules' || path === undefined || path !== rules) return []
  const text =
    'is the file with your own rules, which would be lost; name the file that tcpserver reads, which ends in .cdb'
  return [{ at: ['path'], text }]
}

function commandFaults({ format, command }: Read): Fault[] {
  const isEmpty = (command as readonly string[] | undefined)?.length === 0
  const need = NEEDS_COMMAND[format]
  if (need !== undefined) return command === undefined || isEmpty ? [{ at: [], text: `has no command; ${need}` }] : []
  if (isEmpty && DEFAULT_COMMANDS[format] !== undefined)
    return [{ at: ['command'], text: 'is empty; name the program, or take it out' }]
  return []
}

function mapOf(read: Read): MapConfig {
  const { format, path, mode = 0o644, group, map_type, rules } = read
  const gatherMilliseconds = read.gather_milliseconds ?? (format === 'courier' ? 1000 : 200)
  const common = { format, gatherMilliseconds, command: read.command ?? DEFAULT_COMMANDS[format] ?? [] }
  const name = (member: 'table' | (`set_${string}` & MemberName)) => read[member] ?? mapMembers[member].default
  if (format === 'nftables') {
    const sets = { setIpv4: name('set_ipv4'), setIpv6: name('set_ipv6') }
    const always = { setAlwaysIpv4: name('set_always_ipv4'), setAlwaysIpv6: name('set_always_ipv6') }
    return { ...common, table: name('table'), ...sets, ...always } as MapConfig
  }
  if (format === 'command') return common as MapConfig
  const extra = {
    ...(format === 'postfix' ? { mapType: map_type } : {}),
    ...(format === 'tcprules' ? { rules } : {}),
    ...(format === 'courier' ? { rules: rules ?? SMTPACCESS } : {}),
  }
  return { ...common, path, mode, group, ...extra } as MapConfig
}

/** The maps to be kept in step. */
export const maps = listOf(map, 'entries with `format` and `path`')
