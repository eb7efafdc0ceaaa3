/** `popauthd status`: how the daemon is doing. */
import type { PublisherStatus, SourceStatus, StatusAnswer } from '../admin/api-types.ts'
import { formatBytes } from '../lib/bytes.ts'
import { formatDuration } from '../lib/duration.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { formatPairs } from '../lib/table-print.ts'
import { type Colors, colorsFor } from '../lib/terminal.ts'
import type { Configure } from './commands.ts'
import { localTime, print, printJson } from './output.ts'
import { serversText } from './status-servers.ts'
import { withTarget } from './target.ts'

const EXAMPLES = `
Exit code 0: the daemon runs. 1: none runs (what the table holds is shown all the same). It is ready once the logs have
been read to their end; while it is catching up, check and list do not know all logins yet.

Lines that look like logins and are none are counted for each server, and the last few shown. Where a server that used to log
in has nothing but such lines, its log format may have changed: popauthd explain '<line>' shows where a line fails.

Examples:
  popauthd status
  popauthd status --json | jq '.ready, (.sources[] | {origin, caughtUp, behindBytes})'`

/** Defines `status`. */
export const status: Configure = (command, context, act) => {
  command
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { json?: boolean }) => {
        const answer = await withTarget(context, 'read', (target) => target.status())
        const colors = colorsFor(context.stdout, context.env)
        if (options.json) await printJson(context, answer)
        else await print(context, statusText(answer, context.clock.now(), colors))
        return answer.daemon ? 0 : 1
      }),
    )
}

type Pairs = readonly (readonly [string, string])[]

/** The whole answer for people. */
export function statusText(answer: StatusAnswer, nowMs: number, colors: Colors): string {
  return [
    section(colors.bold('popauthd'), daemonPairs(answer, nowMs)),
    section(colors.bold('table'), tablePairs(answer)),
    section(
      colors.bold('logs'),
      answer.sources.map((source) => [source.origin, sourceWords(source)]),
    ),
    answer.sources.map((source) => timeLine(source, colors)).join(''),
    serversText(answer, nowMs, colors),
    section(
      colors.bold('maps'),
      answer.publishers.map((publisher) => [publisher.name, publisherWords(publisher)]),
    ),
    section(
      colors.bold('lookups'),
      answer.responders.map(({ name, lookups, authorized, connections }) => [
        name,
        `${lookups} answered, ${authorized} of them yes; ${connections} connections`,
      ]),
    ),
    section(
      colors.bold('counters'),
      Object.entries(answer.counters).map(([name, count]) => [name, String(count)]),
    ),
  ].join('')
}

function section(title: string, pairs: Pairs): string {
  return pairs.length === 0 ? '' : `${title}\n${formatPairs(pairs, 2)}`
}

function daemonPairs(answer: StatusAnswer, nowMs: number): Pairs {
  const window: Pairs = [
    ['window', formatDuration(answer.windowSeconds)],
    ['when stopped', answer.whenStopped === 'close' ? 'maps are closed' : 'what is in time stays open'],
    ['state', answer.stateDirectory],
    ['version', answer.version],
  ]
  if (!answer.daemon) return [['daemon', 'does not run'], ...window]
  const since = answer.startedAt === undefined ? '' : ` since ${localTime(answer.startedAt, nowMs)}`
  return [
    ['daemon', `runs${since}${answer.pid === undefined ? '' : ` (PID ${answer.pid})`}`],
    ['readiness', answer.ready ? 'ready' : 'catching up'],
    ...window,
  ]
}

function tablePairs({ table }: StatusAnswer): Pairs {
  const size: Pairs = table.bytes === undefined ? [] : [['size', formatBytes(table.bytes)]]
  return [
    ['may relay now', table.authorized === null ? 'being counted' : `${table.authorized}`],
    ['addresses known', `${table.addresses}`],
    ['decisions', `${table.decisions}`],
    ...size,
  ]
}

function sourceWords(source: SourceStatus): string {
  if (source.trouble !== undefined) return source.trouble
  const { counts } = source
  if (counts !== undefined) return countWords(counts)
  const isBehind = !source.caughtUp || source.behindBytes !== undefined
  const place = source.position === null && source.behindBytes !== undefined ? '' : positionWords(source.position)
  return `${isBehind ? 'reading' : 'read to its end'}${place}${behindWords(source)}`
}

/** `, 42% read, 117 MiB left`; nothing where it is not known. */
function behindWords({ behindBytes, readPercent }: SourceStatus): string {
  if (behindBytes === undefined) return ''
  return `${readPercent === undefined ? '' : `, ${readPercent}% read`}, ${formatBytes(behindBytes)} left`
}

/** What an operator must mend, below the logs. */
function timeLine({ origin, time }: SourceStatus, colors: Colors): string {
  if (time === undefined) return ''
  return `  ${colors.bold(colors.red(escapeForTerminal(`${origin}: ${time.detail}`)))}\n`
}

/** `12 messages, 1 without time`: what was never seen is left out. */
function countWords(counts: Readonly<Record<string, number>>): string {
  const seen = Object.entries(counts).filter(([, count]) => count > 0)
  if (seen.length === 0) return 'nothing so far'
  return seen.map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`).join(', ')
}

/** Sources have positions of their own making; an offset in bytes is what a person can compare with the file. */
function positionWords(position: SourceStatus['position']): string {
  if (position === null) return ', nothing so far'
  return typeof position.offset === 'number' ? `, byte ${position.offset}` : ''
}

function publisherWords(publisher: PublisherStatus): string {
  if (publisher.state === 'in_step') return `in step${publisher.problem ? `, BUT: ${publisher.problem}` : ''}`
  const retry = publisher.retryAt === undefined ? '' : `; tried again at ${localTime(publisher.retryAt)}`
  return `${publisher.state === 'behind' ? 'being brought in step' : 'FAILING'}${publisher.problem ? `: ${publisher.problem}` : ''}${retry}`
}
