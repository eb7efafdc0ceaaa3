/** Files of popauthd itself: configuration, state directory, and the sockets of commands and lookups. */
import { lstat, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../errors.ts'
import { formatBytes } from '../lib/bytes.ts'
import { shellPath } from '../lib/escape.ts'
import { directoryProblem } from '../lib/unix-socket.ts'
import { type Check, type Finding, findingsOf, type Host } from './finding.ts'
import { modeText, namesText, whoText, writableDirectories, writableFile } from './writers.ts'

/** Below this a commit may fail soon; a table of a million addresses takes some 300 MB. */
const LITTLE_BYTES = 200 * 1024 * 1024
const HARDLY_BYTES = 20 * 1024 * 1024
/** What must not be read by everybody: who logs in from where. */
const PRIVATE_FILES = ['table.mdb', 'decisions.json', 'maps.json']

const AS_ROOT = 'run doctor as root, or as the user that popauthd runs as'

/** The configuration file, which names programs that the daemon runs. */
export const configuration: Check = async ({ configFile, configWarnings, accounts }) => {
  const { ok, warning, problem, unknown } = findingsOf('configuration', configFile ?? 'defaults')
  const warned = configWarnings.map((text) => warning(text))
  if (configFile === undefined) return [ok('there is no file; the defaults apply'), ...warned]
  try {
    const places = [
      await writableFile(configFile, accounts, []),
      ...(await writableDirectories(configFile, accounts, [])),
    ]
    const open = places.filter((place) => place !== undefined)
    const found = open.map((place) => {
      const text = `${whoText(place)} may change it, and with it who relays and which programs run (${place.path}, mode ${modeText(place.mode)})`
      const isOpenToAll = place.everybody && (place.mode & 0o1000) === 0
      return (isOpenToAll ? problem : warning)(text, `let only root write to ${place.path}`)
    })
    const { mode } = await stat(configFile)
    return [...(found.length > 0 ? found : [ok(`only root may change it (mode ${modeText(mode)})`)]), ...warned]
  } catch (error) {
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT), ...warned]
  }
}

/** The state directory: who may change or read the table, and room for it. */
export const state: Check = async (host) => {
  const { stateDirectory } = host.config
  const { ok, unknown } = findingsOf('state', stateDirectory)
  try {
    await stat(stateDirectory)
    return [...(await stateRights(host)), await roomFinding(stateDirectory)]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return [ok('is not there yet; the first start of popauthd makes it')]
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT)]
  }
}

async function stateRights({ config, accounts, daemonUid }: Host): Promise<Finding[]> {
  const { stateDirectory } = config
  const { ok, warning, problem } = findingsOf('state', stateDirectory)
  const file = join(stateDirectory, 'table.mdb')
  const places = await writableDirectories(file, accounts, [daemonUid])
  const found: Finding[] = places.map((place) =>
    (place.everybody ? problem : warning)(
      `${whoText(place)} may write to ${place.path} (mode ${modeText(place.mode)}), and so put another table there: anybody could relay`,
      `let only ${accounts.userName(daemonUid)} write to it: chmod go-w ${shellPath(place.path)}`,
    ),
  )
  for (const name of PRIVATE_FILES) {
    const path = join(stateDirectory, name)
    const stats = await lstat(path).catch(ignoreMissing)
    if (stats === undefined) continue
    const own = await writableFile(path, accounts, [daemonUid])
    if (own !== undefined)
      found.push(
        problem(
          `${whoText(own)} may write to ${path} (mode ${modeText(own.mode)}), and so open the relay`,
          `chmod 0640 ${shellPath(path)}`,
        ),
      )
    else if ((stats.mode & 0o004) !== 0)
      found.push(
        warning(
          `everybody may read ${path} (mode ${modeText(stats.mode)}): who logs in, and from where`,
          `chmod 0640 ${shellPath(path)}`,
        ),
      )
  }
  const { mode } = await stat(stateDirectory)
  return found.length > 0
    ? found
    : [ok(`only root and ${accounts.userName(daemonUid)} may write to it (mode ${modeText(mode)})`)]
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

async function roomFinding(directory: string): Promise<Finding> {
  const { bavail, bsize, files, ffree } = await statfs(directory)
  return judgeRoom(directory, { freeBytes: bavail * bsize, freeFiles: files === 0 ? undefined : ffree })
}

/** What so much room is worth. `freeFiles` undefined: a file system without a bound. */
export function judgeRoom(
  directory: string,
  { freeBytes, freeFiles }: { readonly freeBytes: number; readonly freeFiles: number | undefined },
): Finding {
  const { ok, warning, problem } = findingsOf('room', directory)
  const mend = 'make room in its file system: while it is full no login is recorded, and the logs are read on later'
  if (freeFiles === 0) return problem('no file can be made in its file system: the inodes are used up', mend)
  const text = `${formatBytes(freeBytes)} are free`
  if (freeBytes < HARDLY_BYTES) return problem(text, mend)
  return freeBytes < LITTLE_BYTES ? warning(text, mend) : ok(text)
}

/** The control socket, whose users may open the relay, and the lookup socket. */
export const sockets: Check = async (host) => {
  const { control, socketmap } = host.config
  return [
    ...(await controlFindings(control.path, host)),
    ...(socketmap.enabled ? await lookupFindings(socketmap.path, host) : []),
  ]
}

async function controlFindings(path: string, { accounts, daemonUid }: Host): Promise<Finding[]> {
  const { ok, problem, unknown } = findingsOf('control socket', path)
  try {
    const stats = await stat(path)
    if ((stats.mode & 0o002) !== 0)
      return [
        problem(
          `everybody on this host may allow addresses: mode ${modeText(stats.mode)}`,
          `chmod 0660 ${shellPath(path)}; restart popauthd`,
        ),
      ]
    const above = (await writableDirectories(path, accounts, [daemonUid])).map((place) =>
      problem(
        `${whoText(place)} may put another socket in its place: ${place.path} has mode ${modeText(place.mode)}`,
        `let only root and ${accounts.userName(daemonUid)} write to ${place.path}`,
      ),
    )
    const members = (stats.mode & 0o020) === 0 ? [] : accounts.members(stats.gid)
    const group =
      members.length === 0 ? '' : `, and the members of ${accounts.groupName(stats.gid)} (${namesText(members)})`
    return [ok(`root and ${accounts.userName(stats.uid)}${group} may allow, block and revoke`), ...above]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT)]
  }
}

async function lookupFindings(path: string, { accounts }: Host): Promise<Finding[]> {
  const { ok, warning, unknown } = findingsOf('lookup socket', path)
  try {
    const { mode, gid } = await stat(path)
    const trouble = await directoryProblem(path)
    if (trouble !== undefined)
      return [warning(trouble, 'take that right away, or name a socket elsewhere (socketmap.socket)')]
    if ((mode & 0o002) !== 0)
      return [
        warning(
          `every local user may ask, and take up all its connections: mode ${modeText(mode)}`,
          'name the group of the MTA instead: socketmap.group (docs/install.md)',
        ),
      ]
    const members = (mode & 0o020) === 0 ? [] : accounts.members(gid)
    return [ok(`root${members.length === 0 ? '' : ` and ${accounts.groupName(gid)} (${namesText(members)})`} may ask`)]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, AS_ROOT)]
  }
}
