/** `popauthd config check`: validates a configuration with the daemon's own code. */
import type { Config } from '../config/config.ts'
import { UsageError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { print, printJson } from './output.ts'

const EXAMPLES = `
All problems are told at once, with their lines. Exit code 0: it may be used (warnings included),
2: it may not, 3: it cannot be read.

Examples:
  popauthd config check
  popauthd config check ./new.yaml && cp new.yaml /etc/popauthd/popauthd.yaml`

/** Defines `config` with its only subcommand. */
export const config: Configure = (command, context, act) => {
  command
    .command('check')
    .description('check the configuration')
    .argument('[file]', 'configuration file (default: as the daemon finds it)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(act((file: string | undefined, options: { json?: boolean }) => check(context, file, options)))
}

async function check(context: CliContext, file: string | undefined, options: { json?: boolean }): Promise<0 | 2> {
  const { loadCheckedConfig } = await import('./known-parsers.ts')
  const checked = async () => {
    const loaded = await loadCheckedConfig(context, { file })
    await checkMaps(loaded.config)
    return loaded
  }
  const loaded = await checked().catch(async (error: unknown) => {
    if (options.json !== true || !(error instanceof UsageError)) throw error
    const lines = error.message.split('\n').map((line) => line.trim())
    const problems = lines.length > 1 ? lines.slice(1) : lines
    await printJson(context, { ok: false, file: file ?? context.globals().config ?? null, problems })
  })
  if (loaded === undefined) return 2
  const { warnings } = loaded
  if (options.json) await printJson(context, { ok: true, file: loaded.file ?? null, warnings })
  else {
    for (const warning of warnings) context.stderr.write(`warning: ${escapeForTerminal(warning)}\n`)
    await print(
      context,
      `${loaded.file === undefined ? 'no file: the defaults apply' : `${escapeForTerminal(loaded.file)}: valid`}\n`,
    )
  }
  return 0
}

/** Each map says for itself what it cannot hold. Nothing is written. @throws {UsageError} */
async function checkMaps(config: Config): Promise<void> {
  const { publishersFor } = await import('../publishers/for-config.ts')
  publishersFor(config, { clock: systemClock, isKnown: () => false, notice: () => {} })
}
