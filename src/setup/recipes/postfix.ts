/** The recipe of docs/postfix.md as data. A test holds both equal. */
import { type Entry, listText } from '../popauthd-yaml.ts'

/** Where all of it is told. */
export const PAGE = 'docs/postfix.md'

/** What differs from host to host. */
export interface PostfixPlaces {
  readonly queueDirectory: string
  /** Group of smtpd's processes. */
  readonly group: string
  /** User that popauthd runs as. */
  readonly user: string
  /** Whether smtpd is chrooted. */
  readonly chroot: boolean
  /** Sockets of popauthd, relative to the queue directory. */
  readonly sockets: Readonly<Record<LiveWay, string>>
  readonly map: PostfixMap
}

/** Ways by which Postfix asks popauthd. */
export type LiveWay = 'socketmap' | 'policy'

/** Ways to attach Postfix. */
export type PostfixWay = LiveWay | 'map'

/** The table that popauthd keeps. */
export interface PostfixMap {
  /** Without its suffix. */
  readonly path: string
  /** `lmdb`. */
  readonly type: string
  /** Where postmap is; undefined: where popauthd looks for it. */
  readonly postmap: string | undefined
}

/** The values on the page: Debian's. */
export const postfixDefaults: PostfixPlaces = {
  queueDirectory: '/var/spool/postfix',
  group: 'postfix',
  user: 'popauthd',
  chroot: true,
  sockets: { socketmap: 'popauthd/map.sock', policy: 'popauthd/policy.sock' },
  map: { path: '/var/lib/popauthd/postfix/authorized', type: 'lmdb', postmap: undefined },
}

/** The entry of `lookups`. */
export function postfixEntry(way: LiveWay, { queueDirectory, group, sockets }: PostfixPlaces): Entry {
  return { protocol: way, socket: `${queueDirectory}/${sockets[way]}`, group }
}

/** The entry of `maps`. */
export function postfixMapEntry({ map: { path, type, postmap } }: Pick<PostfixPlaces, 'map'>): Entry {
  return { format: 'postfix', path, map_type: type, ...(postmap === undefined ? {} : { command: [postmap] }) }
}

/** What asks popauthd, or reads its map behind a pattern that keeps Postfix from cutting addresses, as it stands in a list of restrictions. */
export function postfixQuestion(way: PostfixWay, { sockets, map }: PostfixPlaces): string {
  if (way === 'map')
    return `check_client_access pipemap:{ regexp:{ { /^([0-9a-f.:]+)$$/ $$1 } }, ${map.type}:${map.path} }`
  return way === 'socketmap'
    ? `check_client_access socketmap:unix:${sockets.socketmap}:postfix`
    : `check_policy_service { unix:${sockets.policy}, timeout=5s, default_action=DEFER }`
}

/** The restrictions of somebody who has none. */
export function postfixRestrictions(way: PostfixWay, places: PostfixPlaces): readonly string[] {
  const permits = ['permit_mynetworks', 'permit_sasl_authenticated', 'permit_auth_destination']
  return [...permits, postfixQuestion(way, places), 'reject_unauth_destination']
}

/** A list of restrictions, as it stands in main.cf. */
export function restrictionsText(parameter: string, restrictions: readonly string[]): string {
  return `${parameter} =\n${restrictions.map((restriction) => `    ${restriction}\n`).join('')}`
}

/** Makes the directory of a socket. */
export function makeDirectory(
  directory: string,
  { user, group }: Pick<PostfixPlaces, 'user' | 'group'>,
): readonly string[] {
  return ['install', '-d', '-m', '0755', '-o', user, '-g', group, directory]
}

/** Puts popauthd's user into the group that it gives the socket to. */
export function joinGroup({ user, group }: Pick<PostfixPlaces, 'user' | 'group'>): readonly string[] {
  return process.platform === 'freebsd' ? ['pw', 'groupmod', group, '-m', user] : ['usermod', '-aG', group, user]
}

/** Lets the service write to a directory. */
export function dropInText(directory: string): string {
  return `[Service]\nReadWritePaths=${directory}\n`
}

/** The service in master.cf by which `doctor` pretends to be a foreign client; the name of its socket below `private/`. */
export const DOCTOR_SERVICE = 'popauthd-doctor'

/** Its lines. */
export function doctorService({ chroot }: Pick<PostfixPlaces, 'chroot'>): string {
  return `${DOCTOR_SERVICE} unix -    -       ${chroot ? 'y' : 'n'}       -       1       smtpd
  -o smtpd_authorized_xclient_hosts=127.0.0.1
`
}

/** How to see that both agree; on the page with what each line is for. */
export function postfixChecks(way: PostfixWay, { queueDirectory, sockets, map }: PostfixPlaces): readonly string[] {
  const check = 'popauthd check 192.0.2.7'
  const doctor = 'popauthd doctor mta postfix'
  if (way === 'policy') return [check, doctor]
  if (way === 'map') return [check, `postmap -q 192.0.2.7 ${map.type}:${map.path}`, doctor]
  return [check, `postmap -q 192.0.2.7 socketmap:unix:${queueDirectory}/${sockets.socketmap}:postfix`, doctor]
}

/** The blocks of the page, by their names there. */
export const postfixBlocks: Readonly<Record<string, (places: PostfixPlaces) => string>> = {
  popauthd: (places) => listText('lookups', [postfixEntry('socketmap', places), postfixEntry('policy', places)]),
  commands: (places) =>
    [makeDirectory(`${places.queueDirectory}/popauthd`, places), joinGroup(places)]
      .map((command) => `${command.join(' ')}\n`)
      .join(''),
  'drop-in': (places) => dropInText(`${places.queueDirectory}/popauthd`),
  socketmap: (places) => restrictionsText('smtpd_relay_restrictions', postfixRestrictions('socketmap', places)),
  policy: (places) => restrictionsText('smtpd_relay_restrictions', postfixRestrictions('policy', places)),
  'popauthd map': (places) => listText('maps', [postfixMapEntry(places)]),
  map: (places) => restrictionsText('smtpd_relay_restrictions', postfixRestrictions('map', places)),
  doctor: doctorService,
}
