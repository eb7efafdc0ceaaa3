/** Where maps lie: what two entries of a configuration may have in common. */
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PostfixTools, SUFFIXES } from '../postfix-map/postfix-tools.ts'
import { SENDMAIL_SUFFIXES } from '../sendmail-access/map-file.ts'
import type { KeptMap } from './kept-maps-file.ts'

/** The files that a map may have, as configured; none of a firewall's set, or a command. */
function possibleFiles(map: KeptMap): string[] {
  if (map.format === 'sendmail_access') return [map.path, map.path + (SENDMAIL_SUFFIXES[map.mapType] ?? '')]
  if (map.format !== 'postfix') return 'path' in map ? [map.path] : []
  const suffixes = map.mapType === undefined ? Object.values(SUFFIXES) : [SUFFIXES[map.mapType]]
  return [...new Set(suffixes)].map((suffix) => map.path + suffix)
}

/** Those that it has. @throws {PublishError} where Postfix does not tell its default type */
async function filesOf(map: KeptMap, signal: AbortSignal): Promise<string[]> {
  if (map.format !== 'postfix' || map.mapType !== undefined) return possibleFiles(map)
  return [map.path + SUFFIXES[await new PostfixTools(map.command).defaultType(signal)]]
}

/** What a map fills, each as one string: files (through links), sets, a command. @throws as {@link filesOf} */
export async function placesOf(map: KeptMap, signal: AbortSignal): Promise<string[]> {
  if (map.format === 'command') return [`command ${JSON.stringify(map.command)}`]
  if (map.format !== 'nftables') return Promise.all((await filesOf(map, signal)).map(realPlace))
  const { table, setIpv4, setIpv6, setAlwaysIpv4, setAlwaysIpv6 } = map
  return [setIpv4, setIpv6, setAlwaysIpv4, setAlwaysIpv6].map((set) => `${table} ${set}`)
}

/** As {@link placesOf}, of maps that stay: where Postfix does not tell its type, each that it could be. */
export async function placesKept(maps: readonly KeptMap[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const places = maps.map((map) => placesOf(map, signal).catch(() => Promise.all(possibleFiles(map).map(realPlace))))
  return new Set((await Promise.all(places)).flat())
}

/** The files that a map may have and that no map that stays has taken. */
export async function filesLeft(map: KeptMap, kept: ReadonlySet<string>): Promise<string[]> {
  const files = possibleFiles(map)
  const places = await Promise.all(files.map(realPlace))
  return files.filter((_, at) => !kept.has(places[at] as string))
}

/** Where a path leads; where nothing is there yet, what it will be. */
async function realPlace(path: string): Promise<string> {
  const found = await realpath(path).catch(() => undefined)
  if (found !== undefined) return found
  return join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path))
}

/** True where it is sure that nothing is there. */
export async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}
