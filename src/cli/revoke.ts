/** `popauthd revoke`: voids the logins so far of an address or a user. */
import { addressOrUser } from './arguments.ts'
import type { Configure } from './commands.ts'
import { decide } from './decide.ts'

const EXAMPLES = `
The next login opens again: to keep it closed, block the address or the user.

Examples:
  popauthd revoke 198.51.100.7
  popauthd revoke --user alice@example.com`

/** Defines `revoke`. */
export const revoke: Configure = (command, context, act) => {
  command
    .argument('[ip]', 'one IPv4 or IPv6 address')
    .option('--user <name>', 'a user, as the mail server logs the name')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (ip: string | undefined, options: { user?: string; json?: boolean }) => {
        const whom = addressOrUser(ip, options.user)
        const again = 'address' in whom ? 'popauthd block IP' : 'popauthd block --user NAME'
        const advice = `The next login opens again; to keep it closed: ${again}`
        await decide(context, { kind: 'revoke', ...whom }, { ...options, advice })
      }),
    )
}
