/** The configuration: file, then environment, then command line, each overriding the one before; validated as a whole. */
import { existsSync } from 'node:fs'
import { UsageError } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import type { CheckContext } from './checks.ts'
import type { Config } from './config.ts'
import { CONFIG_VARIABLE, fromEnvironment } from './environment.ts'
import { type Effect, type OptionPath, optionPaths, options, type Values } from './options.ts'
import { defaultPlaces, type PlacesInput } from './places.ts'
import { type Problem, problemLine } from './problem.ts'
import { flatten, type RawOption } from './raw-options.ts'
import { configOf, validate } from './validate.ts'
import { parseYaml, readConfigFile, type YamlFile } from './yaml-file.ts'

/** What loadConfig needs to know. Everything has a default that fits the daemon. */
export interface LoadOptions extends PlacesInput {
  /** The file that the command line names; it must exist. Else $POPAUTHD_CONFIG, else the default place, where a missing one means defaults. */
  readonly file?: string | undefined
  /** Options of the command line, nested as in the file: `{ control: { socket: './var/run/control.sock' } }`. */
  readonly overrides?: Readonly<Record<string, unknown>>
  /** Directory that relative paths of `overrides` start from. Default: the working directory. In the file they are refused. */
  readonly cwd?: string
  /** Ids of the parsers there are. */
  readonly knownServers?: readonly string[]
  /** Tries own formats; absent: they are only read. */
  readonly formatFaults?: CheckContext['formatFaults'] | undefined
  readonly groupFile?: string
}

/** A configuration that may be used. */
export interface LoadedConfig {
  readonly config: Config
  /** Lines for the operator, `FILE:LINE:COLUMN: option: text`. */
  readonly warnings: readonly string[]
  /** The file that was read; undefined where there is none and the defaults apply. */
  readonly file: string | undefined
  /** Every option by its path, for {@link changedOptions}. */
  readonly values: Values
}

/**
 * Reads and validates the configuration.
 * @throws {UsageError} it does not validate; the message has one line for each problem, in the order of the file
 * @throws {PopauthdError} exit code 3: the file cannot be read
 */
export function loadConfig(input: LoadOptions = {}): LoadedConfig {
  const { env = process.env, overrides = {}, cwd = process.cwd() } = input
  const places = defaultPlaces({ ...input, env })
  const file = chosenFile(input.file, env[CONFIG_VARIABLE], places.configFile)
  const source = file === undefined ? undefined : readYaml(file)
  const fromFile = flatten(source?.yaml.value, source?.yaml.where ?? (() => ''))
  const fromEnv = fromEnvironment(env)
  const fromCommand = flatten(overrides, () => 'command line')
  const merged = new Map([...fromFile.found, ...fromEnv.found, ...resolved(fromCommand.found, cwd)])
  const validated = validate(merged, places, {
    knownServers: input.knownServers,
    formatFaults: input.formatFaults,
    groupFile: input.groupFile ?? '/etc/group',
  })
  const inText = source?.yaml.problems ?? []
  const sound = source?.yaml.sound ?? true
  const rest = sound ? [...fromFile.problems, ...fromCommand.problems, ...validated.problems] : []
  if (inText.length + rest.length > 0) throw failure(file, [...inText, ...rest])
  const values = validated.values as Values
  const warnings = [...(source?.warnings ?? []), ...fromEnv.warnings, ...validated.warnings].map(problemLine)
  return { config: configOf(values), warnings, file, values }
}

function chosenFile(named: string | undefined, variable: string | undefined, standard: string): string | undefined {
  if (named !== undefined) return named
  if (variable !== undefined && variable !== '') return variable
  return existsSync(standard) ? standard : undefined
}

function readYaml(file: string): { yaml: YamlFile; warnings: Problem[] } {
  const { bytes, writableByOthers } = readConfigFile(file)
  const text =
    'everybody on this host may change it, and with it who relays and which commands run; take that right away (chmod o-w)'
  return { yaml: parseYaml(bytes, file), warnings: writableByOthers ? [{ where: file, path: '', text }] : [] }
}

function resolved(found: ReadonlyMap<OptionPath, RawOption>, cwd: string): [OptionPath, RawOption][] {
  return [...found].map(([path, given]) => {
    const resolve = options[path].shape.resolve
    return [path, { ...given, raw: resolve === undefined ? given.raw : resolve(given.raw, cwd) }]
  })
}

function failure(file: string | undefined, problems: readonly Problem[]): UsageError {
  const lines = [...new Set(problems.toSorted(byPlace).map(problemLine))]
  const count = lines.length === 1 ? '1 problem' : `${lines.length} problems`
  const title = `cannot use the configuration${file === undefined ? '' : ` ${file}`}: ${count}`
  return new UsageError([title, ...lines.map((line) => `  ${line}`)].join('\n'), {
    mend: `correct it, then try \`popauthd config check${file === undefined ? '' : ` ${shellPath(file)}`}\``,
  })
}

/** By line and column; what has none (variables, command line) comes last, in the order of the options. */
function byPlace(a: Problem, b: Problem): number {
  const place = (problem: Problem) => /:(\d+):(\d+)$/.exec(problem.where)?.slice(1).map(Number) ?? [Infinity, 0]
  const [lineA = 0, columnA = 0] = place(a)
  const [lineB = 0, columnB = 0] = place(b)
  return lineA === lineB ? columnA - columnB : lineA < lineB ? -1 : 1
}

/** The options that differ between two configurations, and what makes each take effect: what a reload must tell. */
export function changedOptions(before: Values, after: Values): { path: OptionPath; effect: Effect }[] {
  return optionPaths
    .filter((path) => JSON.stringify(before[path]) !== JSON.stringify(after[path]))
    .map((path) => ({ path, effect: options[path].effect }))
}

/** The old configuration with what a reload may change taken from the new one. */
export function reloadedConfig(before: Config, after: Config): Config {
  const { windowSeconds, whenStopped, admission, log } = after
  return {
    ...before,
    windowSeconds,
    whenStopped,
    admission: { ...admission, ipv6Prefix: before.admission.ipv6Prefix },
    log,
  }
}
