/** `setup mta postfix --by socketmap`, `--by policy`: popauthd's socket below the queue directory, and who may open it. */
import { dirname } from 'node:path'
import { dropInSteps, entryStep, groupSteps, groupTrouble, socketLookups } from '../common.ts'
import type { SetupContext, Step, Trouble } from '../plan.ts'
import { type LiveWay, makeDirectory, type PostfixPlaces, postfixEntry } from '../recipes/postfix.ts'
import { isOlderThan, type PostfixFound, RECIPIENTS, RELAY } from './look.ts'

/** Both. */
export const LIVE_WAYS: readonly LiveWay[] = ['socketmap', 'policy']

/** The entry that answers Postfix: its socket lies below the queue directory. */
export function lookupThere(context: SetupContext, { queueDirectory }: PostfixFound, way: LiveWay) {
  return socketLookups(context, way).find(({ at }) => at.path.startsWith(`${queueDirectory}/`))
}

/** popauthd's socket below the queue directory, open for smtpd. */
export async function liveSteps(
  context: SetupContext,
  found: PostfixFound,
  way: LiveWay,
  places: PostfixPlaces,
): Promise<Step[]> {
  const isThere = lookupThere(context, found, way) !== undefined
  const socketDirectory = dirname(`${found.queueDirectory}/${places.sockets[way]}`)
  return [
    await entryStep(context, 'lookups', postfixEntry(way, places), isThere),
    await directoryStep(context, socketDirectory, places),
    ...groupSteps(context, found.group),
    ...(await dropInSteps(context, 'postfix', socketDirectory)),
  ]
}

/** What keeps this Postfix from asking. */
export function liveTroubles(context: SetupContext, found: PostfixFound, way: LiveWay): Trouble[] {
  const lookup = lookupThere(context, found, way)
  return [
    ...typeTroubles(way, found),
    ...(lookup === undefined ? [] : groupTrouble(lookup, found.group, 'Postfix')),
    ...versionTroubles(found),
  ]
}

function typeTroubles(way: LiveWay, { mapTypes }: PostfixFound): Trouble[] {
  if (way === 'socketmap' && !mapTypes.includes('socketmap'))
    return [
      {
        text: 'this Postfix has no socketmap (postconf -m does not list it)',
        mends: ['use the policy service, which every Postfix has: --by policy'],
      },
    ]
  return []
}

function versionTroubles({ version }: PostfixFound): Trouble[] {
  return isOlderThan(version, [2, 10])
    ? [
        {
          text: `Postfix ${version} knows no ${RELAY}`,
          mends: [`put the lines into ${RECIPIENTS} by hand, or use Postfix 2.10 or newer`],
        },
      ]
    : []
}

async function directoryStep(
  { tools, accounts }: SetupContext,
  directory: string,
  places: PostfixPlaces,
): Promise<Step> {
  const there = await tools.stat(directory)
  const isPassable = there !== undefined && (there.mode & 0o777) === 0o755
  return {
    kind: 'command',
    command: makeDirectory(directory, places),
    reason: 'the socket lies in the queue directory, where smtpd finds it in its chroot and outside of it',
    done: there?.isDirectory() === true && isPassable && there.uid === accounts.uidOf(places.user),
  }
}
