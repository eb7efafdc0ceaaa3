/** The files of popauthd's that Exim reads (`maps`): whether its configuration names them as docs/exim.md does, with the clock, and in no list of hosts. */
import type { Config, MapConfig } from '../../config/config.ts'
import { EXIM_FORMATS, type EximFormat, type EximMap, eximHosts } from '../../setup/recipes/exim.ts'
import { type Finding, findingsOf } from '../finding.ts'

/** Exim's files in the configuration of popauthd. */
export function eximMaps({ maps, admission }: Config): EximMap[] {
  const formats: readonly string[] = EXIM_FORMATS
  return maps.flatMap((map: MapConfig) =>
    formats.includes(map.format) && 'path' in map
      ? [{ format: map.format as EximFormat, path: map.path, ipv6Prefix: admission.ipv6Prefix }]
      : [],
  )
}

/** True where the text names the file: whole, not as the beginning of another name. */
export function isNamed(path: string, text: string): boolean {
  for (let at = text.indexOf(path); at >= 0; at = text.indexOf(path, at + 1))
    if (!/[\w./-]/.test(text[at - 1] ?? ' ') && !/[\w./-]/.test(text[at + path.length] ?? ' ')) return true
  return false
}

/** What a configuration (`exim -bP config`) does with a file that it names. */
export function fileRecipe(map: EximMap, config: string, configFile: string): Finding[] {
  const { ok, warning, problem } = findingsOf('recipe', configFile)
  const statements = statementsOf(config).filter((statement) => isNamed(map.path, statement))
  const hosts = eximHosts(map)
  const readers = statements.filter((statement) => lookupsOf(map).every((lookup) => statement.includes(lookup)))
  if (readers.length === 0)
    return [
      problem(
        `names ${map.path} in a way that does not find all logins there; it is to be read as ${hosts}`,
        'put in the lines of docs/exim.md: popauthd setup mta exim --by map',
      ),
    ]
  const listed = readers.filter((statement) => /^\s*\w*list\b/.test(statement))
  const isTimeless = map.format !== 'exim_list' && readers.some((statement) => !statement.includes('$tod_epoch'))
  if (listed.length > 0)
    return [
      warning(
        `reads ${map.path} in a named list (${listed[0]?.trim().split(/\s*=/)[0]}): these hosts may do all that the list is for${map.format === 'exim_list' ? '' : ', and the end of their time is not heeded'}`,
        'name the file in a statement of the ACL instead: popauthd setup mta exim --by map',
      ),
    ]
  if (isTimeless)
    return [
      warning(
        `reads ${map.path} and does not compare what it finds with the clock: what a dead popauthd left behind stays open`,
        'add the line with $tod_epoch: popauthd setup mta exim --by map',
      ),
    ]
  return [ok(`reads the file that popauthd keeps: ${hosts}`)]
}

function lookupsOf(map: EximMap): string[] {
  return eximHosts(map).split(' : ')
}

/** Each statement of an ACL with its conditions, each line of what comes before. */
function statementsOf(config: string): string[] {
  const statements: string[] = []
  let inAcl = false
  for (const line of config.split('\n')) {
    if (/^\s*begin\s/.test(line)) inAcl = /^\s*begin\s+acl\b/.test(line)
    const isFirst = !inAcl || /^\s*((accept|defer|deny|discard|drop|require|warn)\b|begin\s|\w+:\s*$)/.test(line)
    if (isFirst || statements.length === 0) statements.push(line)
    else statements.push(`${statements.pop()}\n${line}`)
  }
  return statements
}
