/** `popauthd block`: logins of an address or a user open nothing, now and later. */
import { parseDuration } from '../lib/duration.ts'
import { addressOrUser } from './arguments.ts'
import type { Configure } from './commands.ts'
import { decide } from './decide.ts'

const EXAMPLES = `
Without --for it lasts until popauthd allow takes it back. A block of a user closes the addresses that nobody else holds open.

Examples:
  popauthd block 198.51.100.7 --for 24h
  popauthd block --user alice@example.com`

/** Defines `block`. */
export const block: Configure = (command, context, act) => {
  command
    .argument('[ip]', 'one IPv4 or IPv6 address')
    .option('--user <name>', 'a user, as the mail server logs the name')
    .option('--for <time>', 'how long: 90s, 30m, 24h, 7d', parseDuration)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (ip: string | undefined, options: { user?: string; for?: number; json?: boolean }) => {
        const end = options.for === undefined ? {} : { forSeconds: options.for }
        await decide(context, { kind: 'block', ...addressOrUser(ip, options.user), ...end }, options)
      }),
    )
}
