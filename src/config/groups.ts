/** Groups of this host, by the text of the group database (group(5)); Node has no getgrnam. Groups that only a directory service knows go by number. */
import { readFileSync } from 'node:fs'

/** The numeric id of a group's name (or of a number, taken as it is); undefined where the file does not have it or cannot be read. */
export function groupId(name: string, groupFile = '/etc/group'): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name)
  try {
    return findGroup(readFileSync(groupFile, 'utf8'), name)
  } catch {
    return undefined
  }
}

function findGroup(text: string, name: string): number | undefined {
  for (const line of text.split('\n')) {
    const fields = line.split(':')
    if (fields[0] === name && /^\d{1,10}$/.test(fields[2] ?? '')) return Number(fields[2])
  }
  return undefined
}
