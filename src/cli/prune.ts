/** `popauthd prune`: removes what has expired and brings the maps in step, with or without a daemon. */
import type { PruneAnswer } from '../admin/api-types.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { Configure } from './commands.ts'
import { print, printJson } from './output.ts'
import { withTarget } from './target.ts'

const EXAMPLES = `
Run it each minute from a timer or cron: should the daemon be dead, nothing outlives its time. With
"when_stopped: close" and no daemon the maps keep static entries only.

Examples:
  popauthd prune --quiet
  * * * * * popauthd /usr/local/bin/popauthd prune --quiet      (a line of /etc/crontab)`

const MAP_STATES = { in_step: 'in step', closed: 'closed, static entries only', failing: 'failing' } as const

/** Defines `prune`. */
export const prune: Configure = (command, context, act) => {
  command
    .option('-q, --quiet', 'print nothing unless something failed')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { quiet?: boolean; json?: boolean }) => {
        const answer = await withTarget(context, 'prune', (target) => target.prune())
        if (options.json) await printJson(context, answer)
        else if (!options.quiet) await print(context, pruneText(answer))
        const failing = answer.maps.filter((map) => map.state === 'failing')
        for (const map of failing)
          context.stderr.write(`popauthd: ${escapeForTerminal(`${map.name}: ${map.problem ?? 'failing'}`)}\n`)
        if (answer.problem !== undefined) context.stderr.write(`popauthd: ${escapeForTerminal(answer.problem)}\n`)
        return failing.length > 0 || answer.problem !== undefined ? 3 : 0
      }),
    )
}

function pruneText(answer: PruneAnswer): string {
  if (answer.nothing !== undefined) return `${escapeForTerminal(answer.nothing)}\n`
  const who = answer.daemon ? 'the daemon' : 'no daemon runs; the table'
  const first = `${who}: ${answer.removed} expired removed, ${answer.authorized} may relay\n`
  return first + answer.maps.map((map) => `${escapeForTerminal(map.name)}: ${MAP_STATES[map.state]}\n`).join('')
}
