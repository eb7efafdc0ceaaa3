/** What single options cannot say: how they fit together and with this host. */
import { isIPv6Network, type Network, networksOverlap } from '../core/client-address.ts'
import type { OwnFormat, OwnFormatFault } from '../core/own-format.ts'
import type { MapConfig, SourceConfig } from './config.ts'
import { groupId } from './groups.ts'
import type { OptionPath, Values } from './options.ts'
import { describe, type Steps, suggestion } from './problem.ts'
import { reportPlaces, sourceName } from './source-names.ts'

/** What the checks ask of the host and the program. */
export interface CheckContext {
  /** Ids of the parsers there are; absent: any well-formed id is taken. */
  readonly knownServers: readonly string[] | undefined
  /** Tries own formats; absent: they are not tried. */
  readonly formatFaults?: ((formats: readonly OwnFormat[]) => readonly OwnFormatFault[]) | undefined
  /** The group database, /etc/group unless testing. */
  readonly groupFile: string
}

/** Something found; `problem` stops the configuration, `warning` does not. */
interface Finding {
  readonly kind: 'problem' | 'warning'
  readonly option: OptionPath
  /** Steps inside the option. */
  readonly at: Steps
  readonly text: string
}

type Check = (values: Partial<Values>, context: CheckContext) => Finding[]

const problem = (option: OptionPath, text: string, at: Steps = []): Finding => ({ kind: 'problem', option, at, text })
const warning = (option: OptionPath, text: string, at: Steps = []): Finding => ({ kind: 'warning', option, at, text })

/** Runs every check on the values that could be read (a check whose values are missing finds nothing). */
export function crossCheck(values: Partial<Values>, context: CheckContext): Finding[] {
  return [
    servers,
    sendersOnce,
    ownFormats,
    lookupSockets,
    mapFiles,
    groups,
    modes,
    sourceRights,
    plainReceivers,
    clearReports,
    distinctPaths,
    networks,
    sendmail,
  ].flatMap((check) => check(values, context))
}

const servers: Check = (values, context) => {
  if (context.knownServers === undefined) return []
  const knownServers = [...context.knownServers, ...(values.formats ?? []).map(({ id }) => id)]
  const unknown = (option: OptionPath, ids: readonly string[] = [], above: Steps = []) =>
    ids.flatMap((id, index) => {
      if (knownServers.includes(id)) return []
      return problem(option, unknownServer(id, knownServers), [...above, index])
    })
  const inSources = (values.sources ?? []).flatMap((source, index) =>
    unknown('sources', source.servers, [index, 'servers']),
  )
  const inSenders = (values.sources ?? []).flatMap((source, index) =>
    sendersOf(source).flatMap(({ server }, place) =>
      knownServers.includes(server)
        ? []
        : problem('sources', unknownServer(server, knownServers), [index, 'senders', place, 'server']),
    ),
  )
  return [...unknown('servers', values.servers), ...inSources, ...inSenders]
}

function unknownServer(id: string, known: readonly string[]): string {
  return `no server ${describe(id)} is known; ${suggestion(id, known, 'there are')}`
}

function sendersOf(source: SourceConfig) {
  return source.kind === 'journal' ? (source.senders ?? []) : []
}

/** Of two entries for one server it would not be plain which holds. */
const sendersOnce: Check = (values) =>
  (values.sources ?? []).flatMap((source, index) => {
    const ids = sendersOf(source).map(({ server }) => server)
    return ids.flatMap((id, place) =>
      ids.indexOf(id) === place
        ? []
        : problem('sources', `${describe(id)} has an entry already; make one of them, with lists`, [
            index,
            'senders',
            place,
          ]),
    )
  })

const ownFormats: Check = (values, { formatFaults }) =>
  (formatFaults?.(values.formats ?? []) ?? []).map(({ at, text }) => problem('formats', text, at))

const groups: Check = (values, { groupFile }) =>
  (['control.group', 'socketmap.group'] as const).flatMap((option) => {
    const name = values[option]
    return name === undefined || groupId(name, groupFile) !== undefined ? [] : problem(option, noGroup(name))
  })

function noGroup(name: string): string {
  return `this host has no group ${describe(name)}; create it, or name one that 'getent group' shows`
}

/** A socket that its MTA cannot open, or one open to the network. */
const lookupSockets: Check = (values, { groupFile }) =>
  (values.lookups ?? []).flatMap(({ at }, index) => {
    if ('port' in at) {
      if (at.address === '::1' || at.address.startsWith('127.')) return []
      const text = `${at.address} is not loopback: whoever reaches port ${at.port} can ask which addresses may relay`
      return [warning('lookups', text, [index, 'listen'])]
    }
    const text = `0${at.mode.toString(8).padStart(3, '0')}`
    const found: Finding[] = []
    if ((at.mode & 0o600) !== 0o600)
      found.push(
        problem('lookups', `found "${text}": the owner must be able to read and write; write "0660"`, [index, 'mode']),
      )
    if (at.group !== undefined && groupId(at.group, groupFile) === undefined)
      found.push(problem('lookups', noGroup(at.group), [index, 'group']))
    return found
  })

/** Formats whose keys are whole addresses: they have no way to say an IPv6 network. */
const WHOLE_ADDRESSES: readonly string[] = ['postfix', 'tcprules']

/** A map whose file cannot be made as it is wanted, or that cannot say what a login opens. */
const mapFiles: Check = (values, { groupFile }) =>
  (values.maps ?? []).flatMap((map, index) => {
    const found: Finding[] = []
    const prefix = values['admission.ipv6_prefix'] ?? 128
    if (prefix < 128 && WHOLE_ADDRESSES.includes(map.format))
      found.push(
        problem(
          'maps',
          `a map of format ${map.format} cannot say the IPv6 networks of admission.ipv6_prefix ${prefix}; use \`lookups\`, or ipv6_prefix 128`,
          [index, 'format'],
        ),
      )
    if (!('path' in map)) return found
    const text = `0${map.mode.toString(8).padStart(3, '0')}`
    if ((map.mode & 0o600) !== 0o600)
      found.push(
        problem('maps', `found "${text}": the owner must be able to read and write; write "0644"`, [index, 'mode']),
      )
    if ((map.mode & 0o022) !== 0)
      found.push(
        problem('maps', `found "${text}": others than popauthd could open the relay; write "0644"`, [index, 'mode']),
      )
    if (map.group !== undefined && groupId(map.group, groupFile) === undefined)
      found.push(problem('maps', noGroup(map.group), [index, 'group']))
    return found
  })

/** Rights of named pipes and of receivers' sockets: who may write there can open the relay. */
const sourceRights: Check = (values, { groupFile }) =>
  (values.sources ?? []).flatMap((source, index) => {
    const at = source.kind === 'fifo' ? [index] : [index, source.kind]
    const place = placeOf(source)
    if (place === undefined || !('mode' in place)) return []
    const text = `0${place.mode.toString(8).padStart(3, '0')}`
    const found: Finding[] = []
    if ((place.mode & 0o600) !== 0o600)
      found.push(
        problem('sources', `found "${text}": the owner must be able to read and write; write "0660"`, [...at, 'mode']),
      )
    if ((place.mode & 0o007) !== 0)
      found.push(
        problem('sources', `found "${text}": everybody on this host could write a login; write "0660" and set group`, [
          ...at,
          'mode',
        ]),
      )
    if (place.group !== undefined && groupId(place.group, groupFile) === undefined)
      found.push(problem('sources', noGroup(place.group), [...at, 'group']))
    return found
  })

function placeOf(source: SourceConfig) {
  if (source.kind === 'dovecot_reports') return source.reports.socket
  if (source.kind === 'syslog' || source.kind === 'whoson')
    return source.receiver.transport === 'unix' ? source.receiver : undefined
  return source
}

const clearReports: Check = (values) =>
  (values.sources ?? []).flatMap((source, index) => {
    const host = source.kind === 'dovecot_reports' ? source.reports.http?.host : undefined
    if (host === undefined || host === '::1' || host.startsWith('127.')) return []
    const text = `${host} is not loopback: the secret and the users' names cross the network as they are, and whoever reads them can open the relay`
    return warning('sources', text, [index, 'dovecot_reports', 'listen'])
  })

/** Said at each start: a risk that was taken once is easily forgotten. */
const plainReceivers: Check = (values) =>
  (values.sources ?? []).flatMap((source, index) => {
    if (source.kind !== 'syslog' || (source.receiver.transport !== 'tcp' && source.receiver.transport !== 'udp'))
      return []
    const { transport, address, port } = source.receiver
    const who = `whoever can send ${transport} to ${address} port ${port} can write a login and open the relay`
    return warning('sources', who, [index, 'syslog', 'trust_unauthenticated'])
  })

const modes: Check = (values) => {
  const found: Finding[] = []
  for (const option of ['control.mode', 'socketmap.mode'] as const) {
    const mode = values[option]
    if (mode === undefined) continue
    const text = `0${mode.toString(8).padStart(3, '0')}`
    if ((mode & 0o600) !== 0o600)
      found.push(problem(option, `found "${text}": the owner must be able to read and write; write "0660"`))
    if (option === 'control.mode' && (mode & 0o007) !== 0)
      found.push(
        problem(
          option,
          `found "${text}": everybody on this host could allow addresses; write "0660" and set control.group`,
        ),
      )
  }
  return found
}

const distinctPaths: Check = (values) => {
  const taken = new Map<string, string>()
  const found: Finding[] = []
  const take = (path: string | undefined, option: OptionPath, label: string, at: Steps = []) => {
    if (path === undefined) return
    const other = taken.get(path)
    if (other !== undefined) found.push(problem(option, `${describe(path)} is already ${other}; name another`, at))
    else taken.set(path, label)
  }
  take(values.state_directory, 'state_directory', 'the state directory')
  take(values['control.socket'], 'control.socket', 'the control socket')
  take(values['socketmap.socket'], 'socketmap.socket', 'the lookup socket')
  for (const suffix of ['', '.static', '.info', '.db'])
    take(suffixed(values['sendmail_access.path'], suffix), 'sendmail_access.path', `the access map's access${suffix}`)
  for (const [index, { at, udp }] of (values.lookups ?? []).entries()) {
    const place = 'path' in at ? at.path : `${at.address} ${udp ? 'UDP port' : 'port'} ${at.port}`
    take(place, 'lookups', `the socket of lookups[${index}]`, [index])
  }
  for (const [index, map] of (values.maps ?? []).entries()) {
    take('path' in map ? map.path : undefined, 'maps', `the file of maps[${index}]`, [index])
    for (const set of setsOf(map)) take(set, 'maps', `a set of maps[${index}]`, [index])
  }
  for (const [index, source] of (values.sources ?? []).entries())
    for (const place of placesOf(source)) take(place, 'sources', `the log of sources[${index}]`, [index])
  return found
}

/** What nothing else may have: paths, and ports. */
function placesOf(source: SourceConfig): readonly string[] {
  if (source.kind === 'dovecot_reports') return reportPlaces(source.reports)
  if (source.kind !== 'whoson') return [sourceName(source)]
  const { receiver } = source
  return [receiver.transport === 'unix' ? receiver.path : `${receiver.address} port ${receiver.port}`]
}

function setsOf(map: MapConfig): string[] {
  if (map.format !== 'nftables') return []
  const { table, setIpv4, setIpv6, setAlwaysIpv4, setAlwaysIpv6 } = map
  return [setIpv4, setIpv6, setAlwaysIpv4, setAlwaysIpv6].map((set) => `${table} ${set}`)
}

function suffixed(path: string | undefined, suffix: string): string | undefined {
  return path === undefined ? undefined : path + suffix
}

const networks: Check = (values) => {
  const never = values['admission.never'] ?? []
  const always = values['admission.always'] ?? []
  const overlaps = always.flatMap((open, index) => {
    const closed = never.find((other) => networksOverlap(open, other))
    if (closed === undefined) return []
    return warning('admission.always', `${open.text} overlaps ${closed.text} of admission.never, which wins`, [index])
  })
  const wide = always.flatMap((open, index) => wideNetwork(open, index))
  return [...overlaps, ...wide]
}

function wideNetwork(open: Network, index: number): Finding[] {
  const ipv6 = isIPv6Network(open)
  const prefix = ipv6 ? open.bits : open.bits - 96
  if (prefix === 0)
    return [
      problem('admission.always', `${open.text} opens the relay to the whole Internet; name your own networks`, [
        index,
      ]),
    ]
  const few = ipv6 ? prefix < 19 : prefix < 8
  return few ? [warning('admission.always', `${open.text} is very wide: every host in it may relay`, [index])] : []
}

const sendmail: Check = (values) => {
  const lacks = (words: readonly string[] = []) =>
    words.length > 0 && !words.slice(1).some((word) => word.includes('{map}'))
  const found: Finding[] = []
  if (lacks(values['sendmail_access.makemap_command']))
    found.push(
      warning(
        'sendmail_access.makemap_command',
        'no argument holds {map}, so the map is rebuilt in place: an SMTP session that is open may miss a change, and a command that is killed leaves half a map; add "{map}"',
      ),
    )
  if (lacks(values['sendmail_access.editmap_command']))
    found.push(
      problem(
        'sendmail_access.editmap_command',
        'no argument holds {map}, so the command cannot know which map to change; add "{map}"',
      ),
    )
  return found
}
