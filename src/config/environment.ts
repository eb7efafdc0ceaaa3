/** Options from environment variables: `POPAUTHD_WINDOW_SECONDS=600` for `window_seconds`, `POPAUTHD_LOG_LEVEL` for `log.level`. */
import { type OptionPath, optionPaths, options } from './options.ts'
import { nearest, type Problem } from './problem.ts'
import type { RawOption } from './raw-options.ts'

/** Names the configuration file. */
export const CONFIG_VARIABLE = 'POPAUTHD_CONFIG'

/** The variable of an option with a single value; undefined for lists. */
export function environmentName(path: OptionPath): string | undefined {
  return options[path].shape.fromText === undefined ? undefined : `POPAUTHD_${path.replace('.', '_').toUpperCase()}`
}

const variables: ReadonlyMap<string, OptionPath> = new Map(
  optionPaths.flatMap((path) => {
    const name = environmentName(path)
    return name === undefined ? [] : [[name, path] as const]
  }),
)

/** The options set in `env`. A variable that is no option but begins with POPAUTHD_ is a warning: others may use the name. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): {
  found: ReadonlyMap<OptionPath, RawOption>
  warnings: Problem[]
} {
  const found = new Map<OptionPath, RawOption>()
  const warnings: Problem[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('POPAUTHD_') || text === undefined) continue
    if (name === CONFIG_VARIABLE || name.startsWith('POPAUTHD_TEST_')) continue
    const path = variables.get(name)
    if (path === undefined) warnings.push({ where: name, path: '', text: unknownVariable(name) })
    else found.set(path, { raw: options[path].shape.fromText?.(text), where: () => name })
  }
  return { found, warnings }
}

function unknownVariable(name: string): string {
  const near = nearest(name, [CONFIG_VARIABLE, ...variables.keys()])
  return `names no option that can be set by a variable and is ignored${near === undefined ? '' : `; did you mean ${near}?`}`
}
