/** The recipe of docs/exim.md as data. A test holds both equal. */
import { type Entry, listText } from '../popauthd-yaml.ts'

/** What differs from host to host. */
export interface EximPlaces {
  /** The socket of popauthd. */
  readonly socket: string
  /** Group that Exim runs as. */
  readonly group: string
}

/** The values on the page: Debian's. */
export const eximDefaults: EximPlaces = { socket: '/run/popauthd/exim.sock', group: 'Debian-exim' }

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

/** The blocks of the page, by their names there. */
export const eximBlocks: Readonly<Record<string, (places: EximPlaces) => string>> = {
  popauthd: (places) => listText('lookups', [eximEntry(places)]),
  acl: eximAcl,
}
