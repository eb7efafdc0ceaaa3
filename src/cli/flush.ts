/** `popauthd flush`: voids every login so far. */
import type { Configure } from './commands.ts'
import { print, printJson } from './output.ts'
import { withTarget } from './target.ts'

const EXAMPLES = `
Every address that a login opened is closed until its next login. What was allowed by hand or is always
open by configuration stays open.

Examples:
  popauthd flush`

/** Defines `flush`. */
export const flush: Configure = (command, context, act) => {
  command
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { json?: boolean }) => {
        const answer = await withTarget(context, 'write', (target) => target.flush())
        if (options.json) return printJson(context, answer)
        const kept = answer.kept === 0 ? '' : `, ${answer.kept} stay open (allowed or always)`
        await print(context, `done: ${answer.ended} ${answer.ended === 1 ? 'address' : 'addresses'} closed${kept}\n`)
      }),
    )
}
