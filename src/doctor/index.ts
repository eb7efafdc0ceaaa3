/** The list of checks: a new one is one function in a file here, and one name in this list. */
import { lookups, maps } from './attachments.ts'
import { type Check, type Finding, findingsOf, type Host } from './finding.ts'
import { configuration, sockets, state } from './rights.ts'
import { daemon, sweeper, table } from './running.ts'
import { sources } from './sources.ts'

const checks: Readonly<Record<string, Check>> = {
  configuration,
  log: sources,
  daemon,
  table,
  state,
  sockets,
  'lookup sockets': lookups,
  maps,
  'prune job': sweeper,
}

/** Runs every check, in the order of the list. One that fails is a finding of its own, and ends no other. */
export async function examine(host: Host, list: Readonly<Record<string, Check>> = checks): Promise<Finding[]> {
  const found: Finding[] = []
  for (const [name, check] of Object.entries(list)) {
    try {
      found.push(...(await check(host)))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      found.push(findingsOf(name, 'all of it').unknown(`could not be looked at: ${why}`))
    }
  }
  return found
}
