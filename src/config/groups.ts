/** Groups of this host by name: the group database (group(5)), then, for those of a directory service, getent(1). Node has no getgrnam. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const GROUP_FILE = '/etc/group'
const GETENT_MS = 5000

/** The numeric id of a group's name (or of a number, taken as it is); undefined where this host has none. Another `groupFile` is asked alone. */
export function groupId(name: string, groupFile = GROUP_FILE): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name)
  const found = findGroup(textOf(groupFile), name)
  if (found !== undefined || groupFile !== GROUP_FILE) return found
  const asked = spawnSync('getent', ['group', '--', name], {
    encoding: 'utf8',
    timeout: GETENT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return findGroup(asked.stdout ?? '', name)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function findGroup(text: string, name: string): number | undefined {
  for (const line of text.split('\n')) {
    const fields = line.split(':')
    if (fields[0] === name && /^\d{1,10}$/.test(fields[2] ?? '')) return Number(fields[2])
  }
  return undefined
}
