/** `setup mta postfix --by map`: the table that popauthd keeps, and what this Postfix must be able to do to read it. */
import { entryStep } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { SetupContext, Step, Trouble } from '../plan.ts'
import { PAGE, type PostfixMap, type PostfixPlaces, postfixMapEntry } from '../recipes/postfix.ts'
import { isOlderThan, type PostfixFound } from './look.ts'

/** What holds for every table. */
export const MAP_NOTES = [
  `in sessions that are open a login counts with map_type lmdb only, and not where the whole file was made anew (${PAGE}, "A map file")`,
  'restart popauthd, which makes the table, before you reload Postfix: an smtpd that starts without the table answers 451 to relay attempts',
  'while popauthd is dead only the prune job closes the map: docs/install.md',
]

/** The entry that keeps a table for Postfix. */
export function mapThere({ loaded }: SetupContext) {
  return loaded.config.maps.find((map) => map.format === 'postfix')
}

const MAP_TYPES = ['lmdb', 'cdb', 'hash', 'btree']
/** Where ports of the BSDs have it. */
const PORTED_POSTMAP = '/usr/local/sbin/postmap'

/** The table of the configuration, else the best that this Postfix reads. */
export async function mapFor(context: SetupContext, found: PostfixFound): Promise<PostfixMap> {
  const { tools, loaded } = context
  const there = mapThere(context)
  if (there !== undefined)
    return { path: there.path, type: there.mapType ?? found.parameters.default_database_type ?? '', postmap: undefined }
  const isPorted = !(await tools.isThere('/usr/sbin/postmap')) && (await tools.isThere(PORTED_POSTMAP))
  return {
    path: `${loaded.config.stateDirectory}/postfix/authorized`,
    type: MAP_TYPES.find((type) => found.mapTypes.includes(type)) ?? 'lmdb',
    postmap: isPorted ? PORTED_POSTMAP : undefined,
  }
}

/** The table in popauthd.yaml. */
export async function mapSteps(context: SetupContext, places: PostfixPlaces): Promise<Step[]> {
  return [await entryStep(context, 'maps', postfixMapEntry(places), mapThere(context) !== undefined)]
}

/** What the recipe by map needs of Postfix, and what a table cannot say. */
export function mapTroubles({ loaded }: SetupContext, found: PostfixFound, { path, type }: PostfixMap): Trouble[] {
  const { mapTypes, version } = found
  const missing = [type, 'pipemap', 'regexp'].filter((wanted) => !mapTypes.includes(wanted))
  const { ipv6Prefix } = loaded.config.admission
  return [
    ...missing.map((name) => ({
      text: `this Postfix has no ${name} (postconf -m does not list it)`,
      mends: [
        ...(MAP_TYPES.includes(name) ? [`install what has it: Debian's package postfix-${name}`] : []),
        'let Postfix ask popauthd: --by socketmap, --by policy',
      ],
    })),
    ...(isOlderThan(version, [3, 7])
      ? [
          {
            text: `Postfix ${version} takes no patterns in main.cf`,
            mends: [`put the pattern into a file, by hand (${PAGE}, "A map file"), or use Postfix 3.7`],
          },
        ]
      : []),
    ...(ipv6Prefix === 128
      ? []
      : [
          {
            text: `admission.ipv6_prefix is ${ipv6Prefix}, and Postfix finds whole addresses in a table, no networks`,
            mends: ['let Postfix ask popauthd: --by socketmap', 'set ipv6_prefix to 128'],
          },
        ]),
    ...pathTroubles(path, 'main.cf'),
  ]
}
