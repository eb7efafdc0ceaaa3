/** `popauthd why`: every fact behind the answer of `check`. */
import type { UserFact, WhyAnswer } from '../admin/api-types.ts'
import { formatDuration } from '../lib/duration.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { type Colors, colorsFor } from '../lib/terminal.ts'
import { addressArgument } from './arguments.ts'
import type { Configure } from './commands.ts'
import { localTime, print, printJson } from './output.ts'
import { withTarget } from './target.ts'
import { decisionWords, verdictLine } from './words.ts'

const EXAMPLES = `
Exit code as of check: 0 it may relay, 1 it may not.

Examples:
  popauthd why 198.51.100.7
  popauthd why 198.51.100.7 --json | jq '.users[].user'`

const STATES: Record<UserFact['state'], string> = {
  open: 'in time',
  expired: 'too long ago',
  revoked: 'void: revoked by the operator',
  blocked: 'opens nothing: the user is blocked',
  too_many_addresses: 'opens nothing: the user has too many addresses',
  ahead_of_clock: 'opens nothing: dated ahead of the clock',
}

/** Defines `why`. */
export const why: Configure = (command, context, act) => {
  command
    .argument('<ip>', 'one IPv4 or IPv6 address')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (ip: string, options: { json?: boolean }) => {
        const address = addressArgument(ip)
        const answer = await withTarget(context, 'read', (target) => target.why(address))
        const colors = colorsFor(context.stdout, context.env)
        if (options.json) await printJson(context, answer)
        else await print(context, whyText(answer, context.clock.now(), colors))
        return answer.authorized ? 0 : 1
      }),
    )
}

function whyText(answer: WhyAnswer, nowMs: number, colors: Colors): string {
  const window = `One login opens an address for ${formatDuration(answer.windowSeconds)}.`
  return [
    verdictLine(answer, nowMs, colors),
    section(
      'Logins, newest first',
      answer.users.map((user) => userWords(user, nowMs)),
      'none in the table',
      colors,
    ),
    section('Decisions', answer.decisions.map(decisionWords), 'none', colors),
    section(
      'Configured and static entries',
      answer.rules.map((rule) => `${rule.kind}: ${escapeForTerminal(rule.text)}`),
      'none',
      colors,
    ),
    `\n${window} ${askedWords(answer, nowMs)}\n`,
  ].join('')
}

function askedWords({ asked }: WhyAnswer, nowMs: number): string {
  if (asked === undefined) return 'No MTA has found by a live lookup that this one may relay since the daemon started.'
  const times = asked.times === 1 ? 'once' : `${asked.times} times`
  return `MTAs found ${times} by a live lookup that this one may relay, last ${localTime(asked.last, nowMs)}.`
}

function section(title: string, lines: readonly string[], none: string, colors: Colors): string {
  const body = lines.length > 0 ? lines : [none]
  return `\n${colors.bold(title)}\n${body.map((line) => `  ${line}\n`).join('')}`
}

function userWords(fact: UserFact, nowMs: number): string {
  const service = fact.service === 'any' ? 'POP3 or IMAP' : fact.service.toUpperCase()
  const end = fact.state === 'open' ? ` until ${localTime(fact.until, nowMs)}` : ''
  const since = fact.since === fact.lastLogin ? '' : `, first ${localTime(fact.since, nowMs)}`
  const text = `${fact.user}: last ${service} login ${localTime(fact.lastLogin, nowMs)}${since} (${fact.server}); ${STATES[fact.state]}${end}`
  return escapeForTerminal(text)
}
