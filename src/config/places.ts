/** Where things lie by default: the system's places, or those of a user without privileges (XDG base directories). */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Default directories. Every path is absolute. */
export interface Places {
  readonly configFile: string
  readonly stateDirectory: string
  /** Directory of the sockets. */
  readonly runDirectory: string
}

/** What decides the places. */
export interface PlacesInput {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** True: the system's places; false: the user's. Default: {@link usesSystemPlaces}. */
  readonly privileged?: boolean
  readonly platform?: NodeJS.Platform
  readonly home?: string
}

/** The places of the whole system. FreeBSD has no /run, keeps data under /var/db and packages' files under /usr/local/etc. */
export function systemPlaces(platform: NodeJS.Platform = process.platform): Places {
  if (platform === 'freebsd')
    return {
      configFile: '/usr/local/etc/popauthd/popauthd.yaml',
      stateDirectory: '/var/db/popauthd',
      runDirectory: '/var/run/popauthd',
    }
  return {
    configFile: '/etc/popauthd/popauthd.yaml',
    stateDirectory: '/var/lib/popauthd',
    runDirectory: '/run/popauthd',
  }
}

/**
 * True where a command without other word uses the system's places: for root, and for everybody on a host that has a
 * system-wide popauthd (its configuration file or its state directory exists), so that the daemon's own user and an
 * administrator in its group mean the same daemon.
 */
export function usesSystemPlaces(platform: NodeJS.Platform = process.platform): boolean {
  const system = systemPlaces(platform)
  return process.getuid?.() === 0 || existsSync(system.configFile) || existsSync(system.stateDirectory)
}

/** The default places. A relative XDG variable is ignored, as its specification asks. */
export function defaultPlaces(input: PlacesInput = {}): Places {
  const { env = process.env, platform = process.platform } = input
  if (input.privileged ?? usesSystemPlaces(platform)) return systemPlaces(platform)
  const home = input.home ?? homedir()
  const base = (name: string, otherwise: string) => absolute(env[name]) ?? join(home, otherwise)
  const stateDirectory = join(base('XDG_STATE_HOME', '.local/state'), 'popauthd')
  const runtime = absolute(env.XDG_RUNTIME_DIR)
  return {
    configFile: join(base('XDG_CONFIG_HOME', '.config'), 'popauthd', 'popauthd.yaml'),
    stateDirectory,
    runDirectory: runtime === undefined ? join(stateDirectory, 'run') : join(runtime, 'popauthd'),
  }
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}
