/** The configuration as a command sees it: the daemon's own loader, with `--config` and `--here` on top. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LoadedConfig, LoadOptions } from '../config/load.ts'
import { packageRoot } from '../lib/package-root.ts'
import type { CliContext } from './context.ts'

/** A login of the demonstration opens its address for this long, so that one sees it end. */
const DEMO_WINDOW_SECONDS = 60

/** What a command adds to the configuration. */
export interface ConfigChoice {
  /** Configuration file named as an argument; else `--config`, else as the daemon finds it. */
  readonly file?: string | undefined
  /** The demonstration's own state (only with `--here`). Absent: the one whose daemon runs, or was started last. */
  readonly demo?: boolean
  /** Options of the command line, nested as in the file. */
  readonly overrides?: Readonly<Record<string, unknown>>
  readonly knownServers?: readonly string[]
  readonly formatFaults?: LoadOptions['formatFaults']
}

/** Loads and validates the configuration. @throws {UsageError} @throws {PopauthdError} where it cannot be read */
export async function loadConfigFor(context: CliContext, choice: ConfigChoice = {}): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts')
  const { config: named, here = false } = context.globals()
  const file = choice.file ?? named
  const known = {
    ...(choice.knownServers === undefined ? {} : { knownServers: choice.knownServers }),
    formatFaults: choice.formatFaults,
  }
  if (!here) return loadConfig({ env: context.env, file, overrides: choice.overrides ?? {}, ...known })
  const directory = hereDirectory(choice.demo)
  return loadConfig({
    ...known,
    file,
    ...herePlaces(context, directory),
    overrides: { ...hereOverrides(directory), ...choice.overrides },
  })
}

/** Where the configuration is looked for that is not named, also where there is none yet. */
export async function usualConfigFile(context: CliContext): Promise<string> {
  const { defaultPlaces } = await import('../config/places.ts')
  const { here = false } = context.globals()
  return defaultPlaces(here ? herePlaces(context, hereDirectory(undefined)) : { env: context.env }).configFile
}

function herePlaces({ env }: Pick<CliContext, 'env'>, directory: string) {
  // Privileged, a system-wide configuration would be read.
  return { privileged: false, env: { ...env, XDG_CONFIG_HOME: join(directory, 'config') } }
}

/** The options that keep everything below `directory`. */
function hereOverrides(directory: string): Readonly<Record<string, unknown>> {
  const run = join(directory, 'run')
  return {
    state_directory: directory,
    control: { socket: join(run, 'control.sock') },
    socketmap: { socket: join(run, 'sendmail.sock') },
    ...(directory === hereDirectory(true) ? { window_seconds: DEMO_WINDOW_SECONDS } : {}),
  }
}

/** `./var` or `./var/demo` of the checkout. */
export function hereDirectory(demo: boolean | undefined): string {
  const plain = join(packageRoot, 'var')
  const ofDemo = join(plain, 'demo')
  if (demo !== undefined) return demo ? ofDemo : plain
  return stateInUse(plain, ofDemo)
}

/** The one of two state directories whose daemon runs; else the one with the newer socket (a killed daemon leaves its own); else the one in use before. */
export function stateInUse(plain: string, ofDemo: string): string {
  if (hasDaemon(plain) !== hasDaemon(ofDemo)) return hasDaemon(plain) ? plain : ofDemo
  const startedMs = (directory: string) => modifiedMs(join(directory, 'run', 'control.sock'))
  if (startedMs(plain) !== startedMs(ofDemo)) return startedMs(ofDemo) > startedMs(plain) ? ofDemo : plain
  return modifiedMs(join(plain, 'popauthd.lock')) > 0 ? plain : ofDemo
}

/** True where the process that the lock names is alive: only which state is meant hangs on it. */
function hasDaemon(directory: string): boolean {
  try {
    const pid = Number(readFileSync(join(directory, 'popauthd.lock'), 'latin1'))
    return pid > 0 && modifiedMs(join(directory, 'run', 'control.sock')) > 0 && process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
