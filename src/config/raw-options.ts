/** Raw option values by path, each with its origin: flattens the file, the environment and the command line alike. */
import { isGroup } from './members.ts'
import { groupNames, type OptionPath, optionPaths, options } from './options.ts'
import { describe, nearest, type Problem, pathText, type Steps, suggestion } from './problem.ts'

/** A value as it was written, and how to say where. */
export interface RawOption {
  readonly raw: unknown
  /** The place of the value, or of a part of it. */
  where(steps: Steps, ofKey?: boolean): string
}

/** What was written in one place. */
interface RawOptions {
  readonly found: ReadonlyMap<OptionPath, RawOption>
  readonly problems: readonly Problem[]
}

/** Takes a tree of options apart. `where` gives the place for steps from the root. Unknown names are problems. */
export function flatten(tree: unknown, where: RawOption['where']): RawOptions {
  const found = new Map<OptionPath, RawOption>()
  const problems: Problem[] = []
  const walk = (group: Readonly<Record<string, unknown>>, above: Steps) => {
    for (const [name, raw] of Object.entries(group)) {
      const steps = [...above, name]
      const path = pathText(steps)
      if (Object.hasOwn(options, path))
        found.set(path as OptionPath, { raw, where: (inner, ofKey) => where([...steps, ...inner], ofKey) })
      else if (above.length === 0 && groupNames.includes(name)) {
        if (isGroup(raw)) walk(raw, steps)
        else if (raw !== null) problems.push({ where: where(steps), path, text: notAGroup(raw, name) })
      } else problems.push({ where: where(steps, true), path, text: unknownOption(name, above) })
    }
  }
  if (isGroup(tree)) walk(tree, [])
  else if (tree !== undefined)
    problems.push({
      where: where([]),
      path: '',
      text: `found ${describe(tree)}, expected options, each as \`name: value\``,
    })
  return { found, problems }
}

function notAGroup(raw: unknown, name: string): string {
  return `found ${describe(raw)}, expected the options ${membersOf(name).join(', ')}, indented below it`
}

function membersOf(group: string): string[] {
  return optionPaths.filter((path) => path.startsWith(`${group}.`)).map((path) => path.slice(group.length + 1))
}

/** The message for an unknown name: a neighbor that is spelled alike, the same name in another group, or what there is. */
function unknownOption(name: string, above: Steps): string {
  const group = above[0] as string | undefined
  const here = group === undefined ? topNames : membersOf(group)
  if (nearest(name, here) === undefined) {
    const elsewhere = optionPaths.find((path) => path.slice(path.indexOf('.') + 1) === nearest(name, lastNames))
    if (elsewhere !== undefined) return `no such option; did you mean ${elsewhere}?`
  }
  return `no such option; ${suggestion(name, here, group === undefined ? 'there are' : `${group} has`)}`
}

const topNames = [...optionPaths.filter((path) => !path.includes('.')), ...groupNames]
const lastNames = optionPaths.map((path) => path.slice(path.indexOf('.') + 1))
