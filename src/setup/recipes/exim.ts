/** The recipe of docs/exim.md as data. A test holds both equal. */
import { type Entry, listText } from '../popauthd-yaml.ts'

/** What differs from host to host. */
export interface EximPlaces {
  /** The socket of popauthd. */
  readonly socket: string
  /** Group that Exim runs as. */
  readonly group: string
}

/** Formats of the files that Exim can read, the best first. */
export const EXIM_FORMATS = ['exim_cdb', 'exim_iplsearch', 'exim_list'] as const

/** One of them. */
export type EximFormat = (typeof EXIM_FORMATS)[number]

/** A file that popauthd keeps. */
export interface EximMap {
  readonly format: EximFormat
  readonly path: string
  /** How many bits a login by IPv6 opens: 128 is the address alone. */
  readonly ipv6Prefix: number
}

/** The values on the page: Debian's. */
export const eximDefaults: EximPlaces = { socket: '/run/popauthd/exim.sock', group: 'Debian-exim' }

/** What the files are called on the page. */
const FILES: Readonly<Record<EximFormat, string>> = { exim_cdb: 'hosts.cdb', exim_iplsearch: 'ips', exim_list: 'hosts' }

/** The file of a format as the page has it, below popauthd's state directory. */
export function eximMapDefaults(format: EximFormat, state = '/var/lib/popauthd', ipv6Prefix = 128): EximMap {
  return { format, path: `${state}/exim/${FILES[format]}`, ipv6Prefix }
}

/** The entry of `lookups`. */
export function eximEntry({ socket, group }: EximPlaces): Entry {
  return { protocol: 'readsocket', socket, group }
}

/** The statements in front of what refuses to relay. */
export function eximAcl({ socket }: Pick<EximPlaces, 'socket'>): string {
  return `  warn    !domains   = +local_domains : +relay_to_domains
          condition  = \${if !eq{$acl_c_popauthd}{GONE}}
          set acl_c_popauthd = \${readsocket{${socket}}{check $sender_host_address\\n}{3s}{}{GONE}}

  accept  !domains   = +local_domains : +relay_to_domains
          condition  = \${if eq{$acl_c_popauthd}{OK}}

  defer   !domains   = +local_domains : +relay_to_domains
          condition  = \${if !eq{$acl_c_popauthd}{NO}}
          message    = relaying cannot be judged at the moment, try again later
`
}

/** For an Exim with `strict_acl_vars`, which reads no variable that was never set: in the ACL of `acl_smtp_connect`, in front. */
export const eximStrict = '  warn    set acl_c_popauthd = NEW\n'

/** The entry of `maps`. */
export function eximMapEntry({ format, path }: EximMap): Entry {
  return { format, path }
}

/** How a list of hosts names the file. */
export function eximHosts({ format, path, ipv6Prefix }: EximMap): string {
  if (format === 'exim_list') return path
  if (format === 'exim_iplsearch') return `net-iplsearch;${path}`
  return `net-cdb;${path}${ipv6Prefix === 128 ? '' : ` : net${ipv6Prefix}-cdb;${path}`}`
}

/** The statement in front of what refuses to relay; where the file has times, they are compared with the clock. */
export function eximMapAcl(map: EximMap): string {
  const statement = `  accept  !domains   = +local_domains : +relay_to_domains
          hosts      = \${if exists{${map.path}}{${eximHosts(map)}}}
`
  const clock = `          condition  = \${if >{$host_data}{$tod_epoch}}\n`
  return map.format === 'exim_list' ? statement : statement + clock
}

/** The blocks of the page, by their names there. */
export const eximBlocks: Readonly<Record<string, (places: EximPlaces) => string>> = {
  popauthd: (places) => listText('lookups', [eximEntry(places)]),
  acl: eximAcl,
  strict: () => eximStrict,
}
/** Those of the files. */
export const eximMapBlocks: Readonly<Record<string, () => string>> = {
  'cdb popauthd': () => listText('maps', [eximMapEntry(eximMapDefaults('exim_cdb'))]),
  'cdb acl': () => eximMapAcl(eximMapDefaults('exim_cdb')),
  'iplsearch popauthd': () => listText('maps', [eximMapEntry(eximMapDefaults('exim_iplsearch'))]),
  'iplsearch acl': () => eximMapAcl(eximMapDefaults('exim_iplsearch')),
  'list popauthd': () => listText('maps', [eximMapEntry(eximMapDefaults('exim_list'))]),
  'list acl': () => eximMapAcl(eximMapDefaults('exim_list')),
  'cdb64 acl': () => eximMapAcl(eximMapDefaults('exim_cdb', undefined, 64)),
}
