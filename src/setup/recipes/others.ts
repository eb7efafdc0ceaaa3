/** The recipes of docs/opensmtpd.md, courier.md and qmail.md as data. A test holds both equal. */
import { type Entry, listText } from '../popauthd-yaml.ts'

/** What differs from host to host. */
export interface OpensmtpdPlaces {
  readonly socket: string
  /** Group that smtpd runs table programs as. */
  readonly group: string
  /** Where smtpd looks for table programs. */
  readonly programDirectory: string
  /** popauthd's own. */
  readonly program: string
}

/** The values on the page: Debian's. */
export const opensmtpdDefaults: OpensmtpdPlaces = {
  socket: '/run/popauthd/opensmtpd.sock',
  group: 'opensmtpd',
  programDirectory: '/usr/libexec/opensmtpd',
  program: '/usr/local/lib/popauthd/dist/table-popauthd.js',
}

/** The entry of `lookups`. */
export function opensmtpdEntry({ socket, group }: OpensmtpdPlaces): Entry {
  return { protocol: 'opensmtpd', socket, group }
}

/** Puts the table program where smtpd finds it. */
export function linkProgram({ program, programDirectory }: OpensmtpdPlaces): readonly string[] {
  return ['ln', '-s', program, `${programDirectory}/table-popauthd`]
}

/** The lines of popauthd in smtpd.conf: the table in front of the rules, the rule behind all others. */
export function opensmtpdRules({ socket }: Pick<OpensmtpdPlaces, 'socket'>): readonly [string, string] {
  return [`table popauth popauthd:${socket}`, 'match from src <popauth> for any action "relay"']
}

/** A file that popauthd keeps, and what is run after it has changed. */
interface MapPlaces {
  /** State directory of popauthd. */
  readonly state: string
}

/** The value on the pages. */
export const mapDefaults: MapPlaces = { state: '/var/lib/popauthd' }

/** For Courier. */
export interface CourierPlaces extends MapPlaces {
  /** The file that popauthd keeps. */
  readonly path: string
  /** Where makesmtpaccess looks. */
  readonly directory: string
  /** User and group of popauthd. */
  readonly user: string
  readonly group: string
}

/** The values on the page: Debian's. */
export const courierDefaults: CourierPlaces = {
  ...mapDefaults,
  path: `${mapDefaults.state}/courier/smtpaccess`,
  directory: '/etc/courier/smtpaccess',
  user: 'popauthd',
  group: 'popauthd',
}

/** The entry of `maps` for Courier. */
export function courierEntry({ state }: MapPlaces): Entry {
  return {
    format: 'courier',
    path: `${state}/courier/smtpaccess`,
    command: ['/usr/bin/touch', `${state}/courier-changed`],
  }
}

/** `popauthd-courier.path`. */
export function pathUnit({ state }: MapPlaces): string {
  return `[Unit]
Description=Find the note that popauthd has changed its file for Courier

[Path]
PathExists=${state}/courier-changed

[Install]
WantedBy=multi-user.target
`
}

/**
 * Puts popauthd's file among those of makesmtpaccess, for `sh -ec`. It is read with popauthd's rights: through a link, root would read whatever
 * popauthd's account makes of its file, and everybody may read what becomes of that. Half a copy never lies there.
 */
function copyScript({ path, directory, user, group }: CourierPlaces): string {
  const asUser = `setpriv --reuid=${user} --regid=${group} --clear-groups`
  return `${asUser} cat ${path} >${directory}.new; mv -fT ${directory}.new ${directory}/popauthd`
}

/** `popauthd-courier.service`. */
export function serviceUnit(places: CourierPlaces): string {
  return `[Unit]
Description=Make Courier's smtpaccess.dat
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStartPre=/bin/rm -f ${places.state}/courier-changed
ExecStartPre=/bin/sh -ec '${copyScript(places)}'
ExecStart=/usr/sbin/makesmtpaccess
TimeoutStartSec=5min
LimitFSIZE=1G
Restart=on-failure
RestartSec=5
`
}

/** The entry of `maps` for qmail; `rules`: the operator's own, where there are some. */
export function qmailEntry({ state }: MapPlaces, rules?: string): Entry {
  return { format: 'tcprules', path: `${state}/qmail/tcp.smtp.cdb`, ...(rules === undefined ? {} : { rules }) }
}

/** The argument of tcpserver. */
export function tcpserverOption({ state }: MapPlaces): string {
  return `-x ${state}/qmail/tcp.smtp.cdb`
}

const line = (command: readonly string[]) => `${command.join(' ')}\n`

/** The blocks of the pages that are the same word for word. */
export const opensmtpdBlocks: Readonly<Record<string, (places: OpensmtpdPlaces) => string>> = {
  popauthd: (places) => listText('lookups', [opensmtpdEntry(places)]),
  program: (places) => line(linkProgram(places)),
}
/** The same for Courier; lists stand in brackets on the page. */
export const courierBlocks: Readonly<Record<string, (places: CourierPlaces) => string>> = {
  popauthd: (places) => listText('maps', [courierEntry(places)]),
  'path unit': pathUnit,
  'service unit': serviceUnit,
}
/** The same for qmail. */
export const qmailBlocks: Readonly<Record<string, (places: MapPlaces) => string>> = {
  popauthd: (places) => listText('maps', [qmailEntry(places, '/etc/tcp.smtp')]),
}
