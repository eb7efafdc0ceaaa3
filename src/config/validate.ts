/** Raw options -> the validated Config, or every problem at once. */
import { type CheckContext, crossCheck } from './checks.ts'
import type { Config } from './config.ts'
import { type OptionPath, optionPaths, options, type Values } from './options.ts'
import type { Places } from './places.ts'
import { type Fault, Faults, type Problem, pathText } from './problem.ts'
import type { RawOption } from './raw-options.ts'

/** What came out: `values` are only those that could be read; the configuration may be used if `problems` is empty. */
interface Validated {
  readonly values: Partial<Values>
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Reads each option, or its default, and checks how they fit together. */
export function validate(found: ReadonlyMap<OptionPath, RawOption>, places: Places, context: CheckContext): Validated {
  const values: Record<string, unknown> = {}
  const problems: Problem[] = []
  for (const path of optionPaths) {
    const known =
      typeof values.state_directory === 'string'
        ? { ...places, ...movedPlaces(places, values.state_directory) }
        : places
    const given = found.get(path)
    const value = options[path].shape.read(given === undefined ? options[path].default(known) : given.raw)
    if (!(value instanceof Faults)) values[path] = value
    else problems.push(...problemsOf(path, value, given))
  }
  const findings = crossCheck(values, context)
  const told = findings.map((one) => ({ kind: one.kind, ...at(one.option, one, found.get(one.option)) }))
  const pick = (kind: string): Problem[] => told.filter((one) => one.kind === kind).map(({ kind: _, ...rest }) => rest)
  return { values, problems: [...problems, ...pick('problem')], warnings: pick('warning') }
}

/** Sockets of a user without a runtime directory lie in the state directory, and move with it. */
function movedPlaces(places: Places, stateDirectory: string): Partial<Places> {
  const inside = places.runDirectory.startsWith(`${places.stateDirectory}/`)
  return inside ? { stateDirectory, runDirectory: `${stateDirectory}/run` } : { stateDirectory }
}

function problemsOf(path: OptionPath, faults: Faults, given: RawOption | undefined): Problem[] {
  return faults.list.map((fault) => at(path, fault, given))
}

function at(path: OptionPath, { at: steps, text, ofKey }: Fault, given: RawOption | undefined): Problem {
  const inner = pathText(steps)
  const full = inner === '' || inner.startsWith('[') ? `${path}${inner}` : `${path}.${inner}`
  return { where: given === undefined ? 'default' : given.where(steps, ofKey), path: full, text }
}

/** The Config of a whole set of values. */
export function configOf(values: Values): Config {
  const cdb = values['sendmail_access.map_type'] === 'cdb'
  return {
    stateDirectory: values.state_directory,
    windowSeconds: values.window_seconds,
    whenStopped: values.when_stopped,
    servers: values.servers,
    sources: values.sources,
    formats: values.formats,
    admission: {
      never: values['admission.never'],
      neverDefaults: values['admission.never_defaults'],
      always: values['admission.always'],
      addressesPerUser: values['admission.addresses_per_user'],
      usersPerAddress: values['admission.users_per_address'],
      ipv6Prefix: values['admission.ipv6_prefix'],
      maxAddresses: values['admission.max_addresses'],
    },
    control: { path: values['control.socket'], mode: values['control.mode'], group: values['control.group'] },
    sendmailAccess: {
      enabled: values['sendmail_access.enabled'],
      path: values['sendmail_access.path'],
      mapType: values['sendmail_access.map_type'],
      makemapCommand: values['sendmail_access.makemap_command'],
      editmapCommand: cdb ? [] : values['sendmail_access.editmap_command'],
      taggedKeys: values['sendmail_access.tagged_keys'],
      gatherMilliseconds: values['sendmail_access.gather_milliseconds'],
      writeInfo: values['sendmail_access.write_info'],
    },
    socketmap: {
      enabled: values['socketmap.enabled'],
      path: values['socketmap.socket'],
      mode: values['socketmap.mode'],
      group: values['socketmap.group'],
      maxConnections: values['socketmap.max_connections'],
    },
    lookups: values.lookups,
    maps: values.maps,
    log: { level: values['log.level'], format: values['log.format'] },
  }
}
