/** `popauthd run`: the daemon, in the foreground. */
import { resolve } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { type ConfigChoice, loadConfigFor } from './load-config.ts'

const EXAMPLES = `
Stays in the foreground and logs to standard error; a service manager puts it into the background. SIGHUP reloads the
configuration (a bad one keeps the old), SIGTERM and Ctrl-C stop it.

Examples:
  popauthd run
  popauthd run --log /var/log/maillog
  popauthd run --config ./popauthd.yaml
  ssh mx tail -F /var/log/maillog | popauthd run --log -`

interface RunArguments {
  readonly log?: readonly string[]
  readonly demo?: boolean
}

/** Defines `run`. */
export const run: Configure = (command, context, act) => {
  command
    .option(
      '--log <file>',
      'follow this log instead of the configured ones; repeat it for more; - is standard input',
      collect,
    )
    .option('--demo', 'write a log of made-up logins and follow that (with --here)')
    .addHelpText('after', EXAMPLES)
    .action(act((options: RunArguments) => start(context, options)))
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

async function start(context: CliContext, { log = [], demo = false }: RunArguments): Promise<void> {
  const here = context.globals().here === true
  if (demo && !here)
    throw new UsageError('--demo goes with --here: it keeps its own state below the checkout', {
      mend: 'npm start -- --demo',
    })
  if (demo && log.length > 0) throw new UsageError('--demo writes its own log: leave --log out')
  const readStdin = log.includes('-')
  if (readStdin && log.length > 1) throw new UsageError('--log - goes alone: standard input is the only log then')
  const { parsers } = await import('../parsers/index.ts')
  const sources = readStdin ? [] : log.map((file) => ({ file: resolve(file) }))
  const choice: ConfigChoice = {
    demo,
    knownServers: parsers.map(({ id }) => id),
    ...(sources.length > 0 ? { overrides: { sources } } : {}),
  }
  const reload = () => loadConfigFor(context, choice)
  const loaded = await reload()
  const { runDaemon } = await import('../daemon.ts')
  await runDaemon(loaded, {
    signal: context.signals.onStop(),
    onReload: (listener) => context.signals.onReload(listener),
    reload,
    warnings: loaded.warnings,
    readStdin,
    onReady: () => {},
  })
}
