/** `popauthd allow`: an operator opens an address by hand. */
import { UsageError } from '../errors.ts'
import { parseDuration } from '../lib/duration.ts'
import { addressOrUser } from './arguments.ts'
import type { Configure } from './commands.ts'
import { decide } from './decide.ts'

const EXAMPLES = `
Without --for it lasts one window (window_seconds), as a login would. It takes a block of the address back. What the
configuration never opens stays closed: the exit code is 1 then. --user takes a block of that user back; it opens nothing.

Examples:
  popauthd allow 198.51.100.7
  popauthd allow 198.51.100.7 --for 8h
  popauthd allow --user alice@example.com`

/** Defines `allow`. */
export const allow: Configure = (command, context, act) => {
  command
    .argument('[ip]', 'one IPv4 or IPv6 address')
    .option('--user <name>', 'a user, as the mail server logs the name: take a block back')
    .option('--for <time>', 'how long: 90s, 30m, 1h, 7d', parseDuration)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (ip: string | undefined, options: { user?: string; for?: number; json?: boolean }) => {
        const whom = addressOrUser(ip, options.user)
        if ('user' in whom && options.for !== undefined)
          throw new UsageError('--for goes with an address: an allow of a user only takes a block back', {
            mend: 'leave --for out',
          })
        const end = options.for === undefined ? {} : { forSeconds: options.for }
        const answer = await decide(context, { kind: 'allow', ...whom, ...end }, options)
        return answer.verdict?.authorized === false ? 1 : 0
      }),
    )
}
