/** What allow, block and revoke have in common: the request, and the answer in words. */
import type { DecisionAnswer, DecisionRequest } from '../admin/api-types.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { colorsFor } from '../lib/terminal.ts'
import type { CliContext } from './context.ts'
import { print, printJson } from './output.ts'
import { withTarget } from './target.ts'
import { decisionWords, holders, untilWords, verdictLine } from './words.ts'

/** Carries out `request` and prints what it did; `advice` ends the text. Returns the answer for the exit code. */
export async function decide(
  context: CliContext,
  request: DecisionRequest,
  options: { readonly json?: boolean; readonly advice?: string },
): Promise<DecisionAnswer> {
  const answer = await withTarget(context, 'write', (target) => target.decide(request))
  if (options.json) await printJson(context, answer)
  else
    await print(context, `${decisionText(answer, context)}${options.advice === undefined ? '' : `${options.advice}\n`}`)
  return answer
}

function decisionText(answer: DecisionAnswer, context: CliContext): string {
  const nowMs = context.clock.now()
  const colors = colorsFor(context.stdout, context.env)
  const lines = [`${colors.green('done')}: ${decisionWords(answer.decision)}\n`]
  for (const decision of answer.replaced) lines.push(`taken back: ${decisionWords(decision)}\n`)
  const gained = answer.granted.filter((address) => address !== answer.verdict?.address)
  const lost = answer.ended.filter((address) => address !== answer.verdict?.address)
  if (answer.verdict !== undefined) lines.push(verdictLine(answer.verdict, nowMs, colors))
  if (gained.length > 0) lines.push(`may relay now: ${escapeForTerminal(gained.join(', '))}\n`)
  if (lost.length > 0) lines.push(`may no longer relay: ${escapeForTerminal(lost.join(', '))}\n`)
  if (answer.decision.user !== undefined && answer.decision.kind !== 'allow')
    lines.push(...stillOpenLines(answer, nowMs))
  return lines.join('')
}

function stillOpenLines(answer: DecisionAnswer, nowMs: number): string[] {
  const untouched = answer.ended.length === 0 && answer.stillOpen.length === 0
  if (untouched) return ['no address was open by a login of that user\n']
  return answer.stillOpen.map((entry) => {
    const until = untilWords(entry.until, entry.secondsLeft, nowMs)
    return `${escapeForTerminal(entry.address)} stays open ${until}, held by: ${escapeForTerminal(holders(entry))}\n`
  })
}
