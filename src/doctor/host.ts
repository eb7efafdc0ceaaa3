/** Gathers what the checks need: the sources that the daemon would follow, the daemon's own word, accounts. */
import { statSync } from 'node:fs'
import type { ControlTarget } from '../admin/control-target.ts'
import type { SourceConfig } from '../config/config.ts'
import type { LoadedConfig } from '../config/load.ts'
import { PopauthdError, reasonOf } from '../errors.ts'
import type { DiscoveredLog } from '../sources/log-discovery.ts'
import { Accounts } from './accounts.ts'
import type { DaemonState, Host, HostPlaces } from './finding.ts'

/** Where things lie on Linux and the BSDs. */
const hostPlaces: HostPlaces = {
  proc: '/proc',
  syslogConfigs: [
    '/etc/rsyslog.conf',
    '/etc/rsyslog.d',
    '/etc/syslog-ng/syslog-ng.conf',
    '/etc/syslog-ng/conf.d',
    '/etc/syslog.conf',
    '/etc/syslog.d',
    '/usr/local/etc/syslog.d',
  ],
  logSocket: process.platform === 'freebsd' ? '/var/run/log' : '/dev/log',
  timerLinks: ['/etc/systemd/system/timers.target.wants', '/usr/lib/systemd/system/timers.target.wants'],
  crontabs: ['/etc/cron.d', '/etc/crontab', '/var/spool/cron/crontabs', '/var/spool/cron', '/usr/local/etc/cron.d'],
  journalDirectories: ['/var/log/journal', '/run/log/journal'],
}

/** What the host is made of; `discover` and `daemon` are asked once. */
interface HostParts {
  readonly loaded: LoadedConfig
  readonly discover: () => Promise<DiscoveredLog | undefined>
  readonly daemon: Pick<ControlTarget, 'status'>
  /** True for the error that says that no daemon runs. */
  readonly isNoDaemon: (error: unknown) => boolean
  readonly places?: HostPlaces
  readonly accounts?: Accounts
}

/** Looks around. Never throws for what is missing. */
export async function hostOf(parts: HostParts): Promise<Host> {
  const { config, file, warnings } = parts.loaded
  return {
    config,
    configFile: file,
    configWarnings: warnings,
    ...(await sourcesOf(config.sources, parts.discover)),
    daemon: await daemonState(parts),
    accounts: parts.accounts ?? Accounts.ofHost(),
    daemonUid: ownerOf(config.stateDirectory),
    places: parts.places ?? hostPlaces,
  }
}

async function sourcesOf(
  configured: readonly SourceConfig[],
  discover: HostParts['discover'],
): Promise<Pick<Host, 'sources' | 'sourceProblem'>> {
  if (configured.length > 0) return { sources: configured, sourceProblem: undefined }
  try {
    const found = await discover()
    const mend = 'name the log under `sources` in the configuration, or with --log FILE'
    if (found === undefined)
      return {
        sources: [],
        sourceProblem: { text: 'there is no mail log to follow, and no journal', mend, denied: false },
      }
    const rest = { timezone: 'local', servers: [] }
    const source =
      found.kind === 'file' ? { kind: found.kind, path: found.path, ...rest } : { kind: found.kind, ...rest }
    return { sources: [source], sourceProblem: undefined }
  } catch (error) {
    return {
      sources: [],
      sourceProblem: {
        text: reasonOf(error),
        mend: error instanceof PopauthdError ? error.mend : undefined,
        denied: isDenied(error),
      },
    }
  }
}

async function daemonState({ daemon, isNoDaemon }: HostParts): Promise<DaemonState> {
  try {
    return { kind: 'runs', status: await daemon.status() }
  } catch (error) {
    if (isNoDaemon(error)) return { kind: 'none' }
    return { kind: 'silent', problem: reasonOf(error), denied: isDenied(error) }
  }
}

function isDenied(error: unknown): boolean {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code
  return code === 'EACCES' || code === 'EPERM'
}

/** The daemon runs as the user whose state directory it is; before the first start, as who asks. */
function ownerOf(directory: string): number {
  try {
    return statSync(directory).uid
  } catch {
    return process.geteuid?.() ?? 0
  }
}
