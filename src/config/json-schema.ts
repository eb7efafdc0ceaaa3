/** etc/popauthd.schema.json from the option table: lets editors complete and check the file (JSON Schema draft 2020-12). */
import { groupOf, groups, type OptionPath, optionPaths, options } from './options.ts'
import { systemPlaces } from './places.ts'
import type { JsonSchema } from './shapes.ts'

/** The schema's text. */
export function schemaFile(): string {
  const top = optionPaths.filter((path) => groupOf(path) === undefined)
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'popauthd configuration',
    ...group({
      ...Object.fromEntries(top.map((path) => [path, property(path)])),
      ...Object.fromEntries(Object.entries(groups).map(([name, says]) => [name, groupSchema(name, says)])),
    }),
  }
  return `${print(schema, '')}\n`
}

function group(properties: JsonSchema): JsonSchema {
  return { type: ['object', 'null'], properties, additionalProperties: false }
}

function groupSchema(name: string, says: string): JsonSchema {
  const members = optionPaths.filter((path) => groupOf(path) === name)
  const properties = Object.fromEntries(members.map((path) => [path.slice(name.length + 1), property(path)]))
  return { description: says, ...group(properties) }
}

function property(path: OptionPath): JsonSchema {
  const { shape, says, unit, effect } = options[path]
  const description = `${says} (${unit === undefined ? '' : `${unit}; `}${effect})`
  return { description, ...shape.schema, default: options[path].default(systemPlaces('linux')) }
}

const WIDEST_LINE = 120

/** JSON with one member a line; lists of plain values stay on one line where it holds them. `before`: what stands in front on that line. */
function print(value: unknown, indent: string, before = indent): string {
  const inner = `${indent}  `
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== 'object' || item === null)
    const line = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
    if (isPlain && before.length + line.length < WIDEST_LINE) return line
    return `[\n${value.map((item) => inner + print(item, inner)).join(',\n')}\n${indent}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, item]) => {
    const head = `${inner}${JSON.stringify(name)}: `
    return head + print(item, inner, head)
  })
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
}
