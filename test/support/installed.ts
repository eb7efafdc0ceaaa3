// Says whether a program is on the PATH, for tests of what is used only where the system has it.
import { existsSync } from 'node:fs'

/** True if a directory of PATH has a program of this name. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(`${directory}/${program}`))
}
