/** `popauthd rebuild`: sets the table aside, so that the next start makes it anew of the logs. */
import { formatDuration } from '../lib/duration.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { SetAside } from '../table/set-aside.ts'
import type { Configure } from './commands.ts'
import { loadConfigFor } from './load-config.ts'
import { print, printJson } from './output.ts'

const EXAMPLES = `
For a table that is damaged. Stop the daemon first; its next start reads the logs of the last window, rotated
ones too, and makes the table of them. What was allowed, blocked and revoked stays so. A login that is in no
log (reported by Dovecot, imported) opens again when its user next logs in.

Examples:
  systemctl stop popauthd && popauthd rebuild && systemctl start popauthd`

/** Defines `rebuild`. */
export const rebuild: Configure = (command, context, act) => {
  command
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async ({ json }: { json?: boolean }) => {
        const { config } = await loadConfigFor(context)
        const { setTableAside } = await import('../table/set-aside.ts')
        const done = setTableAside(config.stateDirectory)
        if (json) return printJson(context, { ...done, keptAs: done.keptAs ?? null })
        await print(context, escapeForTerminal(whatWasDone(done)) + whatNext(done, config.windowSeconds))
      }),
    )
}

function whatWasDone({ table, keptAs }: SetAside): string {
  return keptAs === undefined ? `there is no table ${table}` : `${table} is ${keptAs} now: delete it when all is well`
}

function whatNext({ decisions }: SetAside, windowSeconds: number): string {
  const kept = decisions === 1 ? '1 decision stays' : `${decisions} decisions stay`
  return `
start popauthd: it makes the table of the logs of the last ${formatDuration(windowSeconds)}; ${kept} in force
`
}
