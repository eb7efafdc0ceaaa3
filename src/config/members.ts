/** Values that are mappings with known names: what the entries of `sources` and `formats` are made of. */
import { type Fault, Faults, fault, suggestion } from './problem.ts'
import type { Shape } from './shapes.ts'

/** A named part of an entry. */
export interface Member {
  readonly shape: Shape<unknown>
  /** As it would stand in the file; empty where it must be given, or belongs to some entries only. */
  readonly default: string
  readonly says: string
}

/** True for a mapping. */
export function isGroup(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
}

/** The faults of a part, told from the whole that `steps` lead from. */
export function shifted(faults: Faults, ...steps: (string | number)[]): Fault[] {
  return faults.list.map((one) => ({ ...one, at: [...steps, ...one.at] }))
}

/** A mapping with known names. All of its faults are told. `missing`: what to say where a name is not there. */
export function record<T>(
  members: Readonly<Record<string, Member>>,
  kind: string,
  required: readonly string[] = Object.keys(members),
  missing: Readonly<Record<string, string>> = {},
): Shape<T> {
  const names = Object.keys(members)
  const lacking = (name: string): Fault => ({ at: [], text: missing[name] ?? `has no ${name}; add it` })
  return {
    kind,
    schema: {
      type: 'object',
      properties: Object.fromEntries(
        names.map((name) => [name, { ...members[name]?.shape.schema, description: members[name]?.says }]),
      ),
      required,
      additionalProperties: false,
    },
    read(raw) {
      if (!isGroup(raw)) return fault(raw, kind)
      const faults = required.filter((name) => !Object.hasOwn(raw, name)).map(lacking)
      const read: Record<string, unknown> = {}
      for (const [name, value] of Object.entries(raw)) {
        const member = Object.hasOwn(members, name) ? members[name] : undefined
        const part = member?.shape.read(value)
        if (member === undefined)
          faults.push({ at: [name], text: `no such option; ${suggestion(name, names, 'there are')}`, ofKey: true })
        else if (part instanceof Faults) faults.push(...shifted(part, name))
        else read[name] = part
      }
      return faults.length > 0 ? new Faults(faults) : (read as T)
    },
  }
}

/** What `shape` reads as the program works with it, unless `faultsOf` finds that its parts do not go together. */
export function refined<R extends object, T>(
  shape: Shape<R>,
  kind: string,
  faultsOf: (read: R) => readonly Fault[],
  make: (read: R) => T,
): Shape<T> {
  return {
    ...shape,
    kind,
    read(raw) {
      const read = shape.read(raw)
      if (read instanceof Faults) return read
      const faults = faultsOf(read)
      return faults.length > 0 ? new Faults(faults) : make(read)
    },
  }
}
