/** `setup mta postfix --by socketmap`, `--by policy`: popauthd's socket below the queue directory, and who may open it. */
import type { Accounts } from '../../doctor/accounts.ts'
import { dropInSteps, entryStep, groupSteps, groupTrouble, socketLookups } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
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
  const directory = ownDirectory(found, places, way)
  return [
    await entryStep(context, 'lookups', postfixEntry(way, places), isThere),
    ...(directory === undefined ? [] : [await directoryStep(context, directory, places)]),
    ...groupSteps(context, found.group),
    ...(await dropInSteps(context, 'postfix', directory ?? found.queueDirectory)),
  ]
}

/** What keeps this Postfix from asking. */
export async function liveTroubles(
  context: SetupContext,
  found: PostfixFound,
  way: LiveWay,
  places: PostfixPlaces,
): Promise<Trouble[]> {
  const lookup = lookupThere(context, found, way)
  return [
    ...typeTroubles(way, found),
    ...(lookup === undefined ? [] : groupTrouble(lookup, found.group, 'Postfix')),
    ...versionTroubles(way, found),
    ...pathTroubles(`${found.queueDirectory}/${places.sockets[way]}`, 'main.cf'),
    ...(await directoryTroubles(context, ownDirectory(found, places, way), places)),
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

function versionTroubles(way: LiveWay, { version }: PostfixFound): Trouble[] {
  if (isOlderThan(version, [2, 10]))
    return [
      {
        text: `Postfix ${version} knows no ${RELAY}`,
        mends: [`put the lines into ${RECIPIENTS} by hand, or use Postfix 2.10 or newer`],
      },
    ]
  if (way === 'policy' && isOlderThan(version, [3, 0]))
    return [
      {
        text: `Postfix ${version} takes no { } in a list of restrictions, where the recipe says what is to happen without popauthd`,
        mends: ['let Postfix ask by socket map: --by socketmap', 'use Postfix 3.0 or newer'],
      },
    ]
  return []
}

/** popauthd's own directory: the first one below the queue directory on the way to the socket; undefined where there is none on that way. */
function ownDirectory({ queueDirectory }: PostfixFound, { sockets }: PostfixPlaces, way: LiveWay): string | undefined {
  const [name, ...rest] = sockets[way].split('/')
  return rest.length === 0 ? undefined : `${queueDirectory}/${name}`
}

async function directoryStep({ tools, accounts }: SetupContext, directory: string, places: PostfixPlaces) {
  const there = await tools.stat(directory)
  const isOwn = there !== undefined && ownerOf(there, accounts) === places.user
  return {
    kind: 'command',
    command: makeDirectory(directory, places),
    reason: 'the socket lies in the queue directory, where smtpd finds it in its chroot and outside of it',
    done: there?.isDirectory() === true && (isOwn ? (there.mode & 0o777) === 0o755 : places.user === 'root'),
  } as const
}

function ownerOf({ uid }: { readonly uid: number }, accounts: Accounts): string {
  return accounts.nameOf(uid) ?? String(uid)
}

/** A directory that is there and not popauthd's is left alone: given away, those of Postfix itself would open its sockets and its queue. */
async function directoryTroubles(
  { tools, accounts }: SetupContext,
  directory: string | undefined,
  places: PostfixPlaces,
): Promise<Trouble[]> {
  const { queueDirectory, user } = places
  if (user === 'root') return []
  const mend = `give the socket a directory of popauthd's own: socket: ${queueDirectory}/popauthd/...`
  if (directory === undefined)
    return [{ text: `the socket lies in ${queueDirectory} itself, where only root may make one`, mends: [mend] }]
  const there = await tools.stat(directory)
  if (there === undefined || (there.isDirectory() && ownerOf(there, accounts) === user)) return []
  return [
    {
      text: `${directory} is there already, and belongs to ${ownerOf(there, accounts)}, not to ${user}: it may be Postfix's own`,
      mends: [mend, `where nothing of others lies in it: chown ${user} ${directory}`],
    },
  ]
}
