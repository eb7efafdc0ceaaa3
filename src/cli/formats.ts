/** `popauthd formats`: the servers whose logs are understood. */
import { escapeForTerminal } from '../lib/escape.ts'
import { colorsFor } from '../lib/terminal.ts'
import { parsers } from '../parsers/index.ts'
import type { Configure } from './commands.ts'
import { print, printJson } from './output.ts'

const EXAMPLES = `
The word before each title is its id: for scan --format, and for "servers" in the configuration.

Examples:
  popauthd formats
  popauthd formats --json | jq -r '.[].id'`

/** Defines `formats`. */
export const formats: Configure = (command, context, act) => {
  command
    .option('--json', 'print a JSON array')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { json?: boolean }) => {
        const all = parsers.map(({ id, title, literals }) => ({ id, title, literals }))
        if (options.json) return printJson(context, all)
        const colors = colorsFor(context.stdout, context.env)
        const texts = all.map(({ id, title, literals }) =>
          [
            `${colors.bold(id)}  ${title}\n`,
            `  looks for  ${literals.map((literal) => escapeForTerminal(JSON.stringify(literal))).join(', ')}\n`,
          ].join(''),
        )
        await print(context, texts.join('\n'))
      }),
    )
}
