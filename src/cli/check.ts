/** `popauthd check`: may this address relay now? */
import { colorsFor } from '../lib/terminal.ts'
import { addressArgument } from './arguments.ts'
import type { Configure } from './commands.ts'
import { print, printJson } from './output.ts'
import { withTarget } from './target.ts'
import { verdictLine } from './words.ts'

const EXAMPLES = `
Exit code 0: it may relay. 1: it may not. 3: the table cannot be asked.

Examples:
  popauthd check 198.51.100.7
  popauthd check 2001:db8::7 --json | jq -r .until
  popauthd check "$ip" >/dev/null && echo open`

/** Defines `check`. */
export const check: Configure = (command, context, act) => {
  command
    .argument('<ip>', 'one IPv4 or IPv6 address')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (ip: string, options: { json?: boolean }) => {
        const address = addressArgument(ip)
        const answer = await withTarget(context, 'read', (target) => target.check(address))
        if (options.json) await printJson(context, answer)
        else await print(context, verdictLine(answer, context.clock.now(), colorsFor(context.stdout, context.env)))
        return answer.authorized ? 0 : 1
      }),
    )
}
