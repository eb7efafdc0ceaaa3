/** The option table: each option once. The loader, the reference page, the schema and the example file all come from it. */
import { join } from 'node:path'
import { formats } from './format-shapes.ts'
import { command, networks, serverIds, sources } from './list-shapes.ts'
import { lookups } from './lookup-shape.ts'
import { maps } from './map-shape.ts'
import type { Places } from './places.ts'
import { absolutePath, fileMode, groupName, integer, oneOf, type Shape, socketPath, truth } from './shapes.ts'

/** `reload`: SIGHUP is enough; `restart`: only a restart brings it about. */
export type Effect = 'reload' | 'restart'

/** One option. */
interface Option<T> {
  readonly shape: Shape<T>
  readonly effect: Effect
  /** The raw default, as it would stand in the file. `places.stateDirectory` is the configured one. */
  readonly default: (places: Places) => unknown
  readonly unit?: string
  /** One sentence. */
  readonly says: string
}

function option<T>(shape: Shape<T>, effect: Effect, defaultValue: unknown, says: string, unit?: string): Option<T> {
  const fallback = typeof defaultValue === 'function' ? (defaultValue as Option<T>['default']) : () => defaultValue
  return { shape, effect, default: fallback, says, ...(unit === undefined ? {} : { unit }) }
}

const MINUTE = 60
const DAY = 86_400

/** Every option by its path. The order is that of the example file. */
export const options = {
  state_directory: option(
    absolutePath,
    'restart',
    (places: Places) => places.stateDirectory,
    'Directory of the table, the decisions and, by default, the maps; the table and the decisions in it are readable by the daemon only.',
  ),
  window_seconds: option(
    integer(MINUTE, 31 * DAY, 'seconds'),
    'reload',
    1800,
    'How long a login lets its address relay, counted from the time of the last login.',
    'seconds',
  ),
  when_stopped: option(
    oneOf(['until_expiry', 'close']),
    'reload',
    'until_expiry',
    'What becomes of open addresses when the daemon is stopped: they stay until their time is up, or are closed at once.',
  ),
  servers: option(
    serverIds,
    'restart',
    [],
    'POP3 and IMAP servers whose success lines count (`popauthd formats` lists them); empty means all.',
  ),
  sources: option(
    sources,
    'restart',
    [],
    'Logs to follow; empty means the first of /var/log/mail.log, /var/log/maillog and /var/log/messages that exists, else the journal.',
  ),
  formats: option(
    formats,
    'restart',
    [],
    'Log formats of your own, for servers that popauthd does not know; docs/own-formats.md shows how one is made.',
  ),
  'admission.never': option(networks, 'reload', [], 'Addresses and networks that no login opens and nobody can allow.'),
  'admission.never_defaults': option(
    truth,
    'reload',
    true,
    "Also never open loopback, the host's own addresses, its gateways and its bridges.",
  ),
  'admission.always': option(networks, 'reload', [], 'Addresses and networks that may always relay, logged in or not.'),
  'admission.addresses_per_user': option(
    integer(1, 1_000_000),
    'reload',
    10,
    'Most addresses that one user may hold open; a login from one more is refused and reported.',
    'addresses',
  ),
  'admission.users_per_address': option(
    integer(1, 1_000_000),
    'reload',
    20,
    'Most users that may log in from one address; more look like a proxy in front of the server, and the address is refused and reported.',
    'users',
  ),
  'admission.ipv6_prefix': option(
    integer(48, 128, 'bits'),
    'restart',
    128,
    'How many leading bits of an IPv6 address must be equal: 128 opens the one address, 64 the whole /64 of the client.',
    'bits',
  ),
  'admission.max_addresses': option(
    integer(1, 100_000_000),
    'reload',
    2_000_000,
    'Most addresses in the table; past that new ones are refused and reported.',
    'addresses',
  ),
  lookups: option(
    lookups,
    'restart',
    [],
    "Sockets on which MTAs ask who may relay, beside sendmail's (`socketmap`): entries with a protocol and a place.",
  ),
  maps: option(
    maps,
    'restart',
    [],
    "Copies of the table that MTAs read, kept in step: files, a firewall's set, or a command of yours; sendmail's access map is `sendmail_access`. One that is taken out is emptied at the next start.",
  ),
  'control.socket': option(
    socketPath,
    'restart',
    (places: Places) => join(places.runDirectory, 'control.sock'),
    'Unix socket on which the command line talks to the daemon; whoever may write to it can allow and revoke.',
  ),
  'control.mode': option(
    fileMode,
    'restart',
    '0660',
    'Rights of the control socket; others than owner and group never get any.',
  ),
  'control.group': option(groupName, 'restart', null, "Group of the control socket; null is the daemon's own group."),
  'sendmail_access.enabled': option(
    truth,
    'restart',
    false,
    'Keep a sendmail access map (text, .static, .info and map file) in step; switched off, it is emptied of all but static entries at the next start.',
  ),
  'sendmail_access.path': option(
    absolutePath,
    'restart',
    (places: Places) => join(places.stateDirectory, 'sendmail', 'access'),
    'Text file of the access map; access.static, access.info and the map itself lie beside it.',
  ),
  'sendmail_access.map_type': option(
    oneOf(['hash', 'btree', 'cdb', 'dbm']),
    'restart',
    'hash',
    "Map type given to makemap; it must be that of the K line or FEATURE(`access_db') in sendmail.",
  ),
  'sendmail_access.makemap_command': option(
    command(false),
    'restart',
    ['/usr/sbin/makemap', '{type}', '{map}'],
    'Program and arguments that build a map from text on standard input; {type} and {map} are replaced, no shell is used; without {map} it must rebuild the map in place, as makeaccess did in 2002.',
  ),
  'sendmail_access.editmap_command': option(
    command(true),
    'restart',
    ['/usr/sbin/editmap', '-x', '{type}', '{map}'],
    'Program and arguments that remove a key from a map (it is appended, one run for each key); [] rebuilds the whole map instead, as cdb maps always are.',
  ),
  'sendmail_access.tagged_keys': option(
    truth,
    'restart',
    true,
    'Write keys as `Connect:ADDRESS`; untagged ones, as in 2002, also let anybody send mail to that address literal.',
  ),
  'sendmail_access.gather_milliseconds': option(
    integer(0, 60_000, 'milliseconds'),
    'restart',
    200,
    'Changes that come within this time, a second at most, go into one run of makemap.',
    'milliseconds',
  ),
  'sendmail_access.write_info': option(
    truth,
    'restart',
    true,
    'Also write access.info: date, user, address and Unix time of each login.',
  ),
  'socketmap.enabled': option(truth, 'restart', true, "Answer sendmail's socketmap lookups live."),
  'socketmap.socket': option(
    socketPath,
    'restart',
    (places: Places) => join(places.runDirectory, 'sendmail.sock'),
    'Unix socket for the lookups; no directory above it may be writable by group or others, or sendmail refuses it.',
  ),
  'socketmap.mode': option(
    fileMode,
    'restart',
    '0660',
    'Rights of the lookup socket: it grants nobody anything, but with "0666" every local user may ask, and may take up all its connections.',
  ),
  'socketmap.group': option(
    groupName,
    'restart',
    null,
    "Group of the lookup socket; needed where sendmail does not run as root (its RunAsUser's group); null is the daemon's own group.",
  ),
  'socketmap.max_connections': option(
    integer(1, 65_536),
    'restart',
    1000,
    'Most connections at a time; each sendmail process keeps one open.',
    'connections',
  ),
  'log.level': option(
    oneOf(['error', 'warn', 'info', 'debug']),
    'reload',
    'info',
    "How much the daemon's own log says.",
  ),
  'log.format': option(
    oneOf(['auto', 'json', 'pretty']),
    'restart',
    'auto',
    "Form of the daemon's own log: JSON lines, readable lines, or readable ones on a terminal only.",
  ),
}

/** The path of an option, such as `control.socket`. */
export type OptionPath = keyof typeof options

/** The value of every option. */
export type Values = { readonly [P in OptionPath]: (typeof options)[P] extends Option<infer T> ? T : never }

/** Every path, in the order of the example file. */
export const optionPaths = Object.keys(options) as readonly OptionPath[]

/** The groups of options, each in one sentence. */
export const groups = {
  admission: 'Who may be opened.',
  control: "The control socket: the command line's way to the daemon.",
  sendmail_access: "sendmail's access map, rewritten on each change (the 2002 contract).",
  socketmap: "Live answers to sendmail's socketmap lookups: nothing to rebuild.",
  log: "The daemon's own log.",
} as const

/** The names of the groups. */
export const groupNames: readonly string[] = Object.keys(groups)

/** The group of a path; undefined for an option at the top. */
export function groupOf(path: OptionPath): keyof typeof groups | undefined {
  return path.includes('.') ? (path.slice(0, path.indexOf('.')) as keyof typeof groups) : undefined
}
