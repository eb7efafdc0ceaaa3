/** `setup mta postfix`: the recipe of docs/postfix.md for the Postfix of this host. */
import { dirname } from 'node:path'
import {
  daemonTrouble,
  dropInSteps,
  entryStep,
  groupSteps,
  groupTrouble,
  restartLines,
  socketLookups,
} from '../common.ts'
import type { FileStep, Mta, Plan, SetupContext, Step, Trouble, Validation } from '../plan.ts'
import { listText } from '../popauthd-yaml.ts'
import {
  DOCTOR_SERVICE,
  doctorService,
  type LiveWay,
  makeDirectory,
  type PostfixPlaces,
  type PostfixWay,
  postfixChecks,
  postfixDefaults,
  postfixEntry,
  postfixMapEntry,
  postfixQuestion,
  postfixRestrictions,
  restrictionsText,
} from '../recipes/postfix.ts'
import { saidBy } from '../tools.ts'
import { MAP_NOTES, mapFor, mapSteps, mapThere, mapTroubles } from './by-map.ts'
import { isOlderThan, lookAtPostfix, mainService, type PostfixFound } from './look.ts'
import { type Parameter, parametersIn, withParameter } from './main-cf.ts'
import { refusalBefore, withQuestion } from './restrictions.ts'

const RELAY = 'smtpd_relay_restrictions'
const RECIPIENT = 'smtpd_recipient_restrictions'
const PAGE = 'docs/postfix.md'

/** Postfix, as `setup` knows it. */
export const postfix: Mta = {
  name: 'postfix',
  title: 'Postfix',
  ways: ['socketmap', 'policy', 'map'],
  page: PAGE,
  plan: async (context) => {
    const found = await lookAtPostfix(context.tools, context.accounts)
    if (found === undefined || typeof found === 'string') return absent(context, found)
    return planFor(context, found)
  },
}

/** The recipe as it stands on the page, where there is no Postfix to look at. */
function absent(context: SetupContext, why = 'Postfix is not installed here: there is no postconf'): Plan {
  const way = (context.by ?? 'socketmap') as PostfixWay
  const places = postfixDefaults
  const file = (path: string, reason: string, lines: string): FileStep => ({
    kind: 'file',
    path,
    reason,
    lines,
    before: undefined,
    after: undefined,
  })
  return {
    mta: 'postfix',
    by: way,
    seen: [],
    troubles: [
      { text: why, mends: ['run this on the mail host, as root; below are the lines for a Postfix of Debian'] },
    ],
    notes: [],
    steps: [
      way === 'map'
        ? file(context.configFile, 'popauthd keeps this file in step', listText('maps', [postfixMapEntry(places)]))
        : file(context.configFile, 'popauthd answers on this socket', listText('lookups', [postfixEntry(way, places)])),
      file('/etc/postfix/main.cf', reasonFor(way), restrictionsText(RELAY, postfixRestrictions(way, places))),
    ],
    validations: [],
    afterwards: ['postfix reload'],
    checks: postfixChecks(way, places),
  }
}

const REASON = `asks popauthd about relaying only: in front of permit_auth_destination a popauthd that is away would hold up mail to your own domains`
const MAP_REASON = `reads popauthd's table for relaying only; the pattern makes Postfix look for whole addresses: it would cut IPv6 addresses at their colons, and find the login of another host`

function reasonFor(way: PostfixWay): string {
  return way === 'map' ? MAP_REASON : REASON
}

async function planFor(context: SetupContext, found: PostfixFound): Promise<Plan> {
  const way = wayFor(context, found)
  const places = await placesFor(context, found)
  const mainCf = await relayStep(context, found, way, places)
  const steps: Step[] = [
    ...(way === 'map' ? await mapSteps(context, places) : await liveSteps(context, found, way, places)),
    mainCf.step,
    ...(await doctorSteps(context, found, places)),
  ]
  return {
    mta: 'postfix',
    by: way,
    seen: seenOf(found),
    troubles: [
      ...daemonTrouble(context),
      ...(way === 'map' ? mapTroubles(context, found, places.map) : liveTroubles(context, found, way)),
      ...mainCf.troubles,
      ...overrideTroubles(found),
      ...recipientTroubles(found, way, places),
    ],
    notes: [...(way === 'map' ? MAP_NOTES : []), ...notesOf(found)],
    steps,
    validations: [postfixCheck],
    afterwards: [...(await restartLines(context, steps)), 'postfix reload', 'popauthd doctor mta postfix'],
    checks: postfixChecks(way, places),
  }
}

/** popauthd's socket below the queue directory, open for smtpd. */
async function liveSteps(
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

/** The way asked for; else the one that popauthd.yaml and main.cf have already; else the best that this Postfix can. */
function wayFor(context: SetupContext, found: PostfixFound): PostfixWay {
  if (context.by !== undefined) return context.by as PostfixWay
  const map = mapThere(context)
  const marks: Readonly<Record<PostfixWay, string>> = {
    socketmap: 'socketmap:',
    policy: 'check_policy_service',
    map: `:${map?.path}`,
  }
  const inUse: PostfixWay[] = LIVE_WAYS.filter((way) => lookupThere(context, found, way) !== undefined)
  if (map !== undefined) inUse.push('map')
  const asked = inUse.find((way) => (found.parameters[RELAY] ?? '').includes(marks[way]))
  return asked ?? inUse[0] ?? (found.mapTypes.includes('socketmap') ? 'socketmap' : 'policy')
}

const LIVE_WAYS: readonly LiveWay[] = ['socketmap', 'policy']

/** The entry that answers Postfix: its socket lies below the queue directory. */
function lookupThere(context: SetupContext, { queueDirectory }: PostfixFound, way: LiveWay) {
  return socketLookups(context, way).find(({ at }) => at.path.startsWith(`${queueDirectory}/`))
}

async function placesFor(context: SetupContext, found: PostfixFound): Promise<PostfixPlaces> {
  const { queueDirectory, group } = found
  const socket = (way: LiveWay) =>
    lookupThere(context, found, way)?.at.path.slice(queueDirectory.length + 1) ?? postfixDefaults.sockets[way]
  return {
    queueDirectory,
    group,
    user: context.daemonUser ?? postfixDefaults.user,
    chroot: mainService(found)?.chroot ?? false,
    sockets: { socketmap: socket('socketmap'), policy: socket('policy') },
    map: await mapFor(context, found),
  }
}

function seenOf(found: PostfixFound): string[] {
  const service = mainService(found)
  const jail = service?.chroot === true ? `chrooted to ${found.queueDirectory}` : 'not chrooted'
  return [
    `Postfix ${found.version}, configured in ${found.configDirectory}`,
    service === undefined
      ? 'no smtpd in master.cf'
      : `smtpd (${service.name}) is ${jail}, and runs as ${found.user}, group ${found.group}`,
    `map types: ${found.mapTypes.join(' ')}`,
  ]
}

function liveTroubles(context: SetupContext, found: PostfixFound, way: LiveWay): Trouble[] {
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
          mends: [`put the lines into ${RECIPIENT} by hand, or use Postfix 2.10 or newer`],
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

async function relayStep(
  { tools }: SetupContext,
  found: PostfixFound,
  way: PostfixWay,
  places: PostfixPlaces,
): Promise<{ step: FileStep; troubles: Trouble[] }> {
  const path = `${found.configDirectory}/main.cf`
  const before = (await tools.read(path)) ?? ''
  const there = parametersIn(before, RELAY)
  const made = there.length === 0 ? ownList(way, places) : mergedList(there, way, places)
  const step = { kind: 'file', path, reason: reasonFor(way), before } as const
  if ('why' in made) {
    const lines = restrictionsText(RELAY, postfixRestrictions(way, places))
    const mend = `put "${postfixQuestion(way, places)}" into it by hand: behind permit_auth_destination, in front of what refuses to relay (${PAGE})`
    return {
      step: { ...step, lines, after: undefined },
      troubles: [{ text: `${RELAY} in ${path} ${made.why}`, mends: [mend] }],
    }
  }
  const lines = restrictionsText(RELAY, made.restrictions)
  return { step: { ...step, lines, after: made.done ? before : withParameter(before, there[0], lines) }, troubles: [] }
}

function ownList(way: PostfixWay, places: PostfixPlaces) {
  return { restrictions: postfixRestrictions(way, places), done: false }
}

function mergedList(there: readonly Parameter[], way: PostfixWay, places: PostfixPlaces) {
  const [only] = there
  if (only === undefined || there.length > 1) return { why: 'stands there more than once' }
  if (only.isInterrupted) return { why: 'has comments between its lines' }
  if (only.value.replaceAll('$$', '').includes('$')) return { why: 'names other parameters' }
  return withQuestion(only.value, postfixQuestion(way, places))
}

/** smtpd on port 25 with restrictions of its own does not heed main.cf. */
function overrideTroubles(found: PostfixFound): Trouble[] {
  const main = mainService(found)
  return found.overrides
    .filter(({ service }) => main !== undefined && service === `${main.name}/${main.type}`)
    .map(({ service, parameter, value }) => ({
      text: `master.cf gives ${service} a ${parameter} of its own (${value}): main.cf does not count there`,
      mends: [`take that -o line out, or put the whole list of the recipe there (${PAGE}, "The ports of submission")`],
    }))
}

/** What relay restrictions permit goes through the recipient restrictions all the same. */
function recipientTroubles({ parameters }: PostfixFound, way: PostfixWay, places: PostfixPlaces): Trouble[] {
  const question = postfixQuestion(way, places)
  // postconf -x expands parameters, and so `$$` too.
  const refusal = refusalBefore(parameters[RECIPIENT] ?? '', question.replaceAll('$$', '$'))
  if (refusal === undefined) return []
  return [
    {
      text: `${RECIPIENT} refuses too, with "${refusal}": what ${RELAY} permits is judged there once more`,
      mends: [`put "permit_auth_destination" and "${question}" in front of it, or take it out of that list`],
    },
  ]
}

function notesOf(found: PostfixFound): string[] {
  const defers = /\bdefer_unauth_destination\W*$/.test(found.parameters[RELAY] ?? '')
  const stays =
    'strangers get 454 and try again, as up to now: defer_unauth_destination stays (the recipe of the page ends with reject_unauth_destination)'
  return [...(defers ? [stays] : []), ...portNotes(found)]
}

/** Where the recipe does not hold. */
function portNotes(found: PostfixFound): string[] {
  const main = mainService(found)
  const others = found.overrides.filter(({ service }) => main === undefined || service !== `${main.name}/${main.type}`)
  return others.map(
    ({ service, parameter, value }) =>
      `the recipe does not hold at ${service}, which has a ${parameter} of its own in master.cf (${value}): clients that cannot authenticate use port 25, or an entry of their own (${PAGE}, "The ports of submission")`,
  )
}

/** The service for `doctor mta`, where it is wanted. */
async function doctorSteps(
  { tools, withDoctor }: SetupContext,
  found: PostfixFound,
  places: PostfixPlaces,
): Promise<Step[]> {
  const there = found.services.some(({ name }) => name === DOCTOR_SERVICE)
  if (!withDoctor || there) return []
  const path = `${found.configDirectory}/master.cf`
  const before = (await tools.read(path)) ?? ''
  const lines = doctorService(places)
  const reason =
    'lets `doctor mta` hold a dialog as a foreign client (XCLIENT); its socket is in private/, which only root and Postfix enter'
  return [{ kind: 'file', path, reason, lines, before, after: withParameter(before, undefined, lines) }]
}

const postfixCheck: Validation = async (tools) => {
  const checked = await tools.run(['postfix', 'check'])
  if (checked === undefined) return 'there is no program postfix to check it'
  if (checked.code !== 0 || /\b(fatal|error):/.test(checked.stderr)) return `postfix check: ${saidBy(checked)}`
  const read = await tools.run(['postconf', '-n'])
  return read?.code === 0 ? undefined : `postconf -n: ${read === undefined ? 'is not there' : saidBy(read)}`
}
