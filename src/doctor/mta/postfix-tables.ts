/** The tables of popauthd's that Postfix reads (`maps`, format postfix): where the restrictions name them, behind which pattern, and what is in them. */
import type { Config } from '../../config/config.ts'
import { keyOfAddress } from '../../publishers/postfix-map/format.ts'
import { type PostfixFound, RELAY_PARAMETERS } from '../../setup/postfix/look.ts'
import { wordsOf } from '../../setup/postfix/restrictions.ts'
import { postfixDefaults, postfixQuestion } from '../../setup/recipes/postfix.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { agreement } from './agreement.ts'
import type { MtaHost, Subject } from './judge.ts'
import { keeperOf } from './keeper.ts'

/** A table of popauthd's in a list of restrictions. */
export interface TableRead {
  /** The parameter, with the service in front where it is that service's own. */
  readonly place: string
  /** `lmdb`, as it stands there. */
  readonly type: string
  readonly path: string
  /** A pattern in front makes Postfix look for whole addresses. */
  readonly isGuarded: boolean
  /** Place in the words of the list. */
  readonly at: number
}

/** Where `check_client_access` reads tables of popauthd's, in main.cf and in the services' own lists. */
export function tablesRead(found: PostfixFound, config: Config): TableRead[] {
  const lists = [
    ...RELAY_PARAMETERS.map((name) => [name, found.parameters[name] ?? ''] as const),
    ...found.overrides.map(({ service, parameter, value }) => [`${service}/${parameter}`, value] as const),
  ]
  const paths = pathsOf(config)
  return lists.flatMap(([place, value]) =>
    wordsOf(value).flatMap((word, at, words) =>
      word === 'check_client_access'
        ? tablesIn(words[at + 1] ?? '', paths).map((table) => ({ ...table, place, at }))
        : [],
    ),
  )
}

function pathsOf({ maps }: Config): string[] {
  return maps.flatMap((map) => (map.format === 'postfix' ? [map.path] : []))
}

/** The first table of a pipemap decides whether Postfix cuts addresses (DATABASE_README, pipemap): patterns get them whole. */
function tablesIn(argument: string, paths: readonly string[]): Omit<TableRead, 'place' | 'at'>[] {
  const [, outer, inner] = /^(?:proxy:)?([a-z]+:)?\{(.*)\}$/s.exec(argument) ?? []
  const parts = inner === undefined ? [argument] : wordsOf(inner)
  const isGuarded = outer === 'pipemap:' && /^(?:regexp|pcre):/.test(parts[0] ?? '')
  return parts.flatMap((part) => {
    const [, type = '', path = ''] = /^(?:proxy:)?([a-z]+):(.+)$/s.exec(part) ?? []
    return paths.includes(path) ? [{ type, path, isGuarded }] : []
  })
}

/** Tables whose keys are cut, and such of another type than popauthd's. */
export function tableFindings(tables: readonly TableRead[], found: PostfixFound, { maps }: Config): Finding[] {
  return tables.flatMap(({ place, type, path, isGuarded }) => {
    const { warning, problem } = findingsOf('table', place)
    const map = maps.find((one) => one.format === 'postfix' && one.path === path)
    const kept = (map?.format === 'postfix' ? map.mapType : undefined) ?? found.parameters.default_database_type
    const question = postfixQuestion('map', { ...postfixDefaults, map: { path, type, postmap: undefined } })
    return [
      ...(isGuarded
        ? []
        : [
            warning(
              `reads ${type}:${path} without a pattern in front: Postfix cuts IPv6 addresses at their colons, so a login from 2001:db8::1 lets 2001:db8::1:5 relay, too`,
              `put this in its place: ${question}`,
            ),
          ]),
      ...(kept === undefined || kept === '' || kept === type
        ? []
        : [
            problem(
              `reads ${type}:${path}, and popauthd keeps ${kept}:${path}`,
              'name the same type in main.cf and in `map_type`',
            ),
          ]),
    ]
  })
}

/** What Postfix's own tool finds in the tables that are read. */
export async function tableAnswers(tables: readonly TableRead[], mta: MtaHost): Promise<Finding[]> {
  const names = new Set(tables.map(({ type, path }) => `${type}:${path}`))
  const asked = [...names].flatMap((name) => mta.subjects.map((subject) => tableAnswer(name, subject, mta)))
  return Promise.all(asked)
}

async function tableAnswer(name: string, subject: Subject, { tools, host }: MtaHost): Promise<Finding> {
  const { problem, unknown } = findingsOf('postmap -q', subject.address)
  const command = ['postmap', '-q', keyOfAddress(subject.address), name]
  const answer = await tools.run(command, { timeoutMs: 15_000, as: keeperOf(host) })
  if (answer === undefined) return unknown('there is no postmap')
  const why = answer.stderr.trim().split('\n').at(-1) ?? ''
  if (why !== '')
    return problem(
      `${name} cannot be read: ${why}`,
      host.daemon.kind === 'runs'
        ? 'popauthd status tells of maps that are in trouble'
        : 'start popauthd, which makes it',
    )
  const says = answer.stdout.trim()
  return agreement('postmap -q', subject, says === '' ? 'nothing' : says, says !== '')
}
