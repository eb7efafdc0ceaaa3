/** Steps that several MTAs need: an entry of the configuration, a directory, a group, a service that may write there. */
import { stringify } from 'yaml'
import type { LookupConfig, SocketConfig } from '../config/config.ts'
import type { FileStep, SetupContext, Step, Trouble } from './plan.ts'
import { type Entry, entryText, withEntry } from './popauthd-yaml.ts'
import { dropInText, joinGroup } from './recipes/postfix.ts'

/** A lookup that answers on a Unix socket. */
type SocketLookup = LookupConfig & { readonly at: SocketConfig }

/** The lookups of a protocol on Unix sockets. */
export function socketLookups(
  { loaded }: Pick<SetupContext, 'loaded'>,
  protocol: LookupConfig['protocol'],
): SocketLookup[] {
  return loaded.config.lookups.filter(
    (lookup): lookup is SocketLookup => lookup.protocol === protocol && 'path' in lookup.at,
  )
}

/** The step that puts an entry into a list of popauthd.yaml; done where `there` is. */
export async function entryStep(
  { tools, configFile }: SetupContext,
  list: 'lookups' | 'maps',
  entry: Entry,
  there: boolean,
): Promise<FileStep> {
  const before = await tools.read(configFile)
  return {
    kind: 'file',
    path: configFile,
    reason: list === 'lookups' ? 'popauthd answers on this socket' : 'popauthd keeps this file in step',
    lines: `${list}:\n${entryText(entry)}`,
    before,
    after: there ? before : withEntry(before, list, entry),
  }
}

/** Where nothing tells who the daemon runs as. */
export function daemonTrouble({ daemonUser }: SetupContext): Trouble[] {
  if (daemonUser !== undefined) return []
  const mend = 'install popauthd as a service first (docs/install.md): it makes the user popauthd'
  return [
    {
      text: 'it cannot be told which user popauthd runs as: there is no state directory, and no user popauthd',
      mends: [mend],
    },
  ]
}

/** A socket that is in the configuration already, but not for this group. Undefined where the group may open it. */
export function groupTrouble({ at }: SocketLookup, group: string, title: string): Trouble[] {
  if ((at.mode & 0o006) === 0o006 || (at.group === group && (at.mode & 0o060) === 0o060)) return []
  const has = at.group === undefined ? 'no group of its own' : `the group ${at.group}`
  return [
    {
      text: `the configuration has ${at.path} with ${has} and mode 0${at.mode.toString(8)}: ${title} (group ${group}) may not open it`,
      mends: [`give it \`group: ${stringify(group).trim()}\` in the entry of \`lookups\``],
    },
  ]
}

/** Puts the daemon's user into a group; nothing where it is root. */
export function groupSteps({ accounts, daemonUser = 'popauthd' }: SetupContext, group: string): Step[] {
  if (daemonUser === 'root') return []
  const gid = accounts.gidOf(group)
  const done = gid !== undefined && accounts.groupsOf(daemonUser).includes(gid)
  const command = joinGroup({ user: daemonUser, group })
  return [
    { kind: 'command', command, reason: `popauthd gives the socket to the group ${group}; only a member may`, done },
  ]
}

const UNITS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']

/** Whether systemd runs popauthd here. */
async function isService({ tools }: SetupContext): Promise<boolean> {
  const units = await Promise.all(UNITS.map((place) => tools.isThere(`${place}/popauthd.service`)))
  return units.includes(true)
}

/** Lets the service of systemd write to a directory outside of its own; nothing where there is no such service. Lines that are there stay. */
export async function dropInSteps(context: SetupContext, mta: string, directory: string): Promise<Step[]> {
  if (!(await isService(context))) return []
  const path = `/etc/systemd/system/popauthd.service.d/${mta}.conf`
  const lines = dropInText(directory)
  const before = await context.tools.read(path)
  const kept = before === undefined || before === '' ? '' : `${before.replace(/\n*$/, '')}\n\n`
  return [
    {
      kind: 'file',
      path,
      reason: 'the service sees the file system read-only but for its own directories',
      lines,
      before,
      after: before?.includes(lines) === true ? before : `${kept}${lines}`,
    },
  ]
}

/** How the daemon takes its new configuration and groups. */
export async function restartLines(context: SetupContext, steps: readonly Step[]): Promise<string[]> {
  if (await isService(context)) {
    const reload = steps.some((step) => step.kind === 'file' && step.path.startsWith('/etc/systemd/'))
    return [...(reload ? ['systemctl daemon-reload'] : []), 'systemctl restart popauthd']
  }
  return [
    process.platform === 'freebsd'
      ? 'service popauthd restart'
      : 'popauthd run    # restart it, as it is started on this host',
  ]
}
