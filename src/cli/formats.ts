/** `popauthd formats`: the servers whose logs are understood; with `detect`, those that a log is of. */
import { escapeForTerminal } from '../lib/escape.ts'
import { type Colors, colorsFor } from '../lib/terminal.ts'
import { parsers } from '../parsers/index.ts'
import type { Parser } from '../parsers/parser.ts'
import { parserSamples } from '../parsers/samples.ts'
import type { Configure } from './commands.ts'
import { formatsDetect } from './formats-detect.ts'
import { knownParsers } from './known-parsers.ts'
import { print, printJson } from './output.ts'

const EXAMPLES = `
The word before each title is its id: for scan --format, and for "servers" in the configuration.
Formats of your own are listed too (docs/own-formats.md).

Examples:
  popauthd formats
  popauthd formats detect /var/log/mail.log
  popauthd formats --json | jq -r '.[].id'`

interface Format {
  readonly id: string
  readonly title: string
  /** True for a format of the configuration. */
  readonly own: boolean
  /** Every success line holds one of these. */
  readonly literals: readonly string[]
  /** Lines of one real login. */
  readonly sample: readonly string[]
}

/** Defines `formats` with its subcommand. */
export const formats: Configure = (command, context, act) => {
  command
    .option('--json', 'print a JSON array')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { json?: boolean }) => {
        const all = (await knownParsers(context)).map(formatOf)
        if (options.json) return printJson(context, all)
        const colors = colorsFor(context.stdout, context.env)
        await print(context, all.map((format) => formatText(format, colors)).join('\n'))
      }),
    )
  formatsDetect(command.command('detect'), context, act)
}

function formatOf(parser: Parser): Format {
  const { id, title, literals, sample } = parser
  const own = !parsers.includes(parser)
  return { id, title, own, literals, sample: own ? sample : sampleOf(id) }
}

/** The shortest login from an IPv4 client, in a syslog or server's own file. */
function sampleOf(id: string): readonly string[] {
  const logins = parserSamples(id).filter(
    ({ expect, format }) => format === 'lines' && expect?.ip.includes('.') === true,
  )
  return logins.toSorted((a, b) => a.lines.length - b.lines.length)[0]?.lines ?? []
}

function formatText({ id, title, own, literals, sample }: Format, colors: Colors): string {
  const looksFor = literals.map((literal) => escapeForTerminal(JSON.stringify(literal))).join(', ')
  const lines = sample.map((line, i) => `  ${i === 0 ? 'sample' : '      '}     ${escapeForTerminal(line)}\n`)
  const origin = own ? '  (of your own)' : ''
  return `${colors.bold(id)}  ${escapeForTerminal(title)}${origin}\n  looks for  ${looksFor}\n${lines.join('')}`
}
