/** `setup mta postfix`: the recipe of docs/postfix.md for the Postfix of this host. */
import { daemonTrouble, restartLines } from '../common.ts'
import type { FileStep, Mta, Plan, SetupContext, Step, Validation } from '../plan.ts'
import { listText } from '../popauthd-yaml.ts'
import {
  DOCTOR_SERVICE,
  doctorService,
  type LiveWay,
  PAGE,
  type PostfixPlaces,
  type PostfixWay,
  postfixChecks,
  postfixDefaults,
  postfixEntry,
  postfixMapEntry,
  postfixRestrictions,
  restrictionsText,
} from '../recipes/postfix.ts'
import { saidBy } from '../tools.ts'
import { LIVE_WAYS, liveSteps, liveTroubles, lookupThere } from './by-lookup.ts'
import { MAP_NOTES, mapFor, mapSteps, mapThere, mapTroubles } from './by-map.ts'
import { lookAtPostfix, mainService, type PostfixFound, RELAY } from './look.ts'
import { withParameter } from './main-cf.ts'
import { overrideTroubles, reasonFor, recipientTroubles, relayStep } from './relay-list.ts'

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
      ...(way === 'map' ? mapTroubles(context, found, places.map) : await liveTroubles(context, found, way, places)),
      ...mainCf.troubles,
      ...overrideTroubles(found),
      ...recipientTroubles(found, way, places),
    ],
    notes: [...(way === 'map' ? MAP_NOTES : []), ...notesOf(found, mainCf.step)],
    steps,
    validations: [postfixCheck],
    afterwards: [...(await restartLines(context, steps)), 'postfix reload', 'popauthd doctor mta postfix'],
    checks: postfixChecks(way, places),
  }
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

function notesOf(found: PostfixFound, { lines }: FileStep): string[] {
  const defers = /\bdefer_unauth_destination\n$/.test(lines)
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
