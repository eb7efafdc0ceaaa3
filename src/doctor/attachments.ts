/** The sockets of `lookups` and the files of `maps`: there, open for the MTA, and for nobody else's writing. */
import { stat } from 'node:fs/promises'
import { createConnection } from 'node:net'
import type { LookupConfig, MapConfig, SocketConfig } from '../config/config.ts'
import { reasonOf } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import { type Check, type Finding, findingsOf, type Host } from './finding.ts'
import { hindrance, type Reacher } from './reach.ts'
import { modeText, namesText, whoText, writableDirectories, writableFile } from './writers.ts'

const AS_ROOT = 'run doctor as root, or as the user that popauthd runs as'
const CONNECT_MS = 3000

/** Every entry of `lookups`. */
export const lookups: Check = async (host) => {
  const found = await Promise.all(host.config.lookups.map((lookup) => findingsOfLookup(lookup, host)))
  return found.flat()
}

/** Every entry of `maps` that is a file. */
export const maps: Check = async (host) => {
  const found = await Promise.all(host.config.maps.map((map) => ('path' in map ? findingsOfMap(map, host) : [])))
  return found.flat()
}

/** Who a user of this host is; undefined where it is not known. */
export function reacherOf(name: string, { accounts }: Pick<Host, 'accounts'>): Reacher | undefined {
  const uid = accounts.uidOf(name)
  return uid === undefined ? undefined : { name, uid, gids: accounts.groupsOf(name) }
}

async function findingsOfLookup({ protocol, at }: LookupConfig, host: Host): Promise<readonly Finding[]> {
  if ('path' in at) return socketFindings(at, host)
  const { ok } = findingsOf('lookup port', `${protocol} ${at.address} port ${at.port}`)
  return [ok('whoever reaches it may ask which addresses may relay')]
}

async function socketFindings(at: SocketConfig, host: Host): Promise<Finding[]> {
  const { ok, warning, problem, unknown } = findingsOf('lookup socket', at.path)
  try {
    const { mode, gid } = await stat(at.path)
    const silent = await connectProblem(at.path)
    if (silent !== undefined) return [problem(`cannot be connected to: ${silent}`, 'restart popauthd')]
    if ((mode & 0o002) !== 0)
      return [
        warning(
          `every local user may ask, and take up all its connections: mode ${modeText(mode)}`,
          'name the group of the MTA instead: `group` of this entry of `lookups`',
        ),
      ]
    const { accounts, daemonUid } = host
    const members = (mode & 0o020) === 0 ? [] : accounts.members(gid)
    const askers = members.filter((name) => accounts.uidOf(name) !== daemonUid)
    const kept = await firstHindrance(at.path, askers, host)
    if (kept !== undefined) return [problem(kept, directoryMend(at.path))]
    const group = members.length === 0 ? '' : ` and the group ${accounts.groupName(gid)} (${namesText(members)})`
    return askers.length > 0
      ? [ok(`root${group} may ask`)]
      : [
          warning(
            `nobody but root and popauthd may ask: mode ${modeText(mode)}, group ${accounts.groupName(gid)}`,
            'name the group of the MTA: `group` of this entry of `lookups` (popauthd setup mta NAME tells it)',
          ),
        ]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT)]
    return host.daemon.kind === 'runs'
      ? [problem('is not there, though popauthd runs', 'restart popauthd: it takes new sockets at its start only')]
      : []
  }
}

function directoryMend(path: string): string {
  return `let the MTA pass the directories above it: chmod o+x, for instance chmod 0755 ${shellPath(path.slice(0, path.lastIndexOf('/')))}`
}

async function firstHindrance(path: string, names: readonly string[], host: Host): Promise<string | undefined> {
  for (const name of names) {
    const who = reacherOf(name, host)
    const kept = who === undefined ? undefined : await hindrance(path, who, 'write')
    if (kept !== undefined) return kept
  }
  return undefined
}

/** Why nobody answers at a socket; undefined where somebody does. Asks nothing. */
export function connectProblem(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const settle = (problem: string | undefined) => {
      socket.destroy()
      resolve(problem)
    }
    socket.setTimeout(CONNECT_MS, () => settle('nothing happens'))
    socket.once('connect', () => settle(undefined))
    socket.once('error', (error) => settle(reasonOf(error)))
  })
}

/** What Postfix adds to the name of a map. */
const SUFFIXES = ['', '.lmdb', '.cdb', '.db']

async function findingsOfMap(map: MapConfig & { readonly path: string }, host: Host): Promise<Finding[]> {
  const { ok, warning, problem, unknown } = findingsOf('map', map.path)
  try {
    const path = await existing(map.path)
    if (path === undefined)
      return host.daemon.kind === 'runs'
        ? [problem('is not there, though popauthd runs', 'popauthd status tells why it cannot be made')]
        : []
    const { accounts, daemonUid } = host
    const own = await writableFile(path, accounts, [daemonUid])
    const places = [...(own === undefined ? [] : [own]), ...(await writableDirectories(path, accounts, [daemonUid]))]
    if (places.length > 0)
      return places.map((place) =>
        problem(
          `${whoText(place)} may write to ${place.path} (mode ${modeText(place.mode)}), and so let anybody relay`,
          `chmod go-w ${shellPath(place.path)}`,
        ),
      )
    const anybody: Reacher = { name: 'an MTA that is not root', uid: -1, gids: [(await stat(path)).gid] }
    const kept = await hindrance(path, anybody, 'read')
    return [
      kept === undefined
        ? ok('may be read by the MTA, and written to by popauthd')
        : warning(kept, 'chmod 0755 the directory, chmod 0644 the file'),
    ]
  } catch (error) {
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT)]
  }
}

async function existing(path: string): Promise<string | undefined> {
  for (const suffix of SUFFIXES) {
    const there = await stat(path + suffix).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (there?.isFile() === true) return path + suffix
  }
  return undefined
}
