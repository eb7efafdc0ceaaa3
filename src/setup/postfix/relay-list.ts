/** `setup mta postfix`: the list of restrictions in main.cf, with popauthd's question in it; and other lists that would judge in its place, or once more. */
import type { FileStep, SetupContext, Trouble } from '../plan.ts'
import {
  PAGE,
  type PostfixPlaces,
  type PostfixWay,
  postfixQuestion,
  postfixRestrictions,
  restrictionsText,
} from '../recipes/postfix.ts'
import { mainService, type PostfixFound, RECIPIENTS, RELAY } from './look.ts'
import { type Parameter, parametersIn, withParameter } from './main-cf.ts'
import { refusalBefore, withQuestion } from './restrictions.ts'

const REASON = `asks popauthd about relaying only: in front of permit_auth_destination a popauthd that is away would hold up mail to your own domains`
const MAP_REASON = `reads popauthd's table for relaying only; the pattern makes Postfix look for whole addresses: it would cut IPv6 addresses at their colons, and find the login of another host`

/** Why it is as it is. */
export function reasonFor(way: PostfixWay): string {
  return way === 'map' ? MAP_REASON : REASON
}

/** The list of main.cf with the question in it, or what is to be done by hand. */
export async function relayStep(
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
export function overrideTroubles(found: PostfixFound): Trouble[] {
  const main = mainService(found)
  return found.overrides
    .filter(({ service }) => main !== undefined && service === `${main.name}/${main.type}`)
    .map(({ service, parameter, value }) => ({
      text: `master.cf gives ${service} a ${parameter} of its own (${value}): main.cf does not count there`,
      mends: [`take that -o line out, or put the whole list of the recipe there (${PAGE}, "The ports of submission")`],
    }))
}

/** What relay restrictions permit goes through the recipient restrictions all the same. */
export function recipientTroubles({ parameters }: PostfixFound, way: PostfixWay, places: PostfixPlaces): Trouble[] {
  const question = postfixQuestion(way, places)
  // postconf -x expands parameters, and so `$$` too.
  const refusal = refusalBefore(parameters[RECIPIENTS] ?? '', question.replaceAll('$$', '$'))
  if (refusal === undefined) return []
  return [
    {
      text: `${RECIPIENTS} refuses too, with "${refusal}": what ${RELAY} permits is judged there once more`,
      mends: [`put "permit_auth_destination" and "${question}" in front of it, or take it out of that list`],
    },
  ]
}
