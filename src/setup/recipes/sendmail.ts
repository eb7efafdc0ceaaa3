/** The recipe of docs/sendmail.md as data. A test holds both equal. */
import { groupText } from '../popauthd-yaml.ts'

/** What differs from host to host. */
export interface SendmailPlaces {
  /** The socket of popauthd. */
  readonly socket: string
  /** The access map, without its suffix. */
  readonly map: string
  readonly mapType: string
}

/** The values on the page. */
export const sendmailDefaults: SendmailPlaces = {
  socket: '/run/popauthd/sendmail.sock',
  map: '/var/lib/popauthd/sendmail/access',
  mapType: 'hash',
}

/** The line for sendmail.mc that has popauthd asked. */
export function featureLine({ socket }: Pick<SendmailPlaces, 'socket'>): string {
  return `FEATURE(\`popauthd', \`local:${socket}')dnl\n`
}

/** The line for sendmail.mc that has the map read. */
export function accessLine({ map, mapType }: Pick<SendmailPlaces, 'map' | 'mapType'>): string {
  return `FEATURE(\`access_db', \`${mapType} -T<TMPF> ${map}')dnl\n`
}

/** The options of `sendmail_access`. */
export function accessOptions({ map, mapType }: Pick<SendmailPlaces, 'map' | 'mapType'>) {
  return { enabled: true, path: map, map_type: mapType }
}

/** The blocks of the page, by their names there. */
export const sendmailBlocks: Readonly<Record<string, (places: SendmailPlaces) => string>> = {
  feature: featureLine,
  access: accessLine,
  popauthd: (places) => groupText('sendmail_access', accessOptions(places)),
}
