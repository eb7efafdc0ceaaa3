/** Lists of values of one shape. */
import { shifted } from './members.ts'
import { describe, Faults, fault } from './problem.ts'
import type { JsonSchema, Shape } from './shapes.ts'

const MOST_ITEMS = 10_000

/** A list; each item by its own shape. All faulty items are told. */
export function listOf<T>(item: Shape<T>, kind: string, schema: JsonSchema = {}): Shape<readonly T[]> {
  return {
    kind,
    schema: { type: 'array', items: item.schema, ...schema },
    resolve: (raw, directory) => (Array.isArray(raw) ? raw.map((one) => item.resolve?.(one, directory) ?? one) : raw),
    read(raw) {
      if (!Array.isArray(raw)) return fault(raw, `a list (${kind})`, asList(raw))
      if (raw.length > MOST_ITEMS) return fault(raw, `a list of at most ${MOST_ITEMS}`)
      const read = raw.map((one) => item.read(one))
      const faults = read.flatMap((one, index) => (one instanceof Faults ? shifted(one, index) : []))
      return faults.length > 0 ? new Faults(faults) : (read as T[])
    },
  }
}

function asList(raw: unknown): string | undefined {
  return typeof raw === 'string' && /^[\w./:-]+$/.test(raw) ? `write [${describe(raw)}]` : undefined
}
