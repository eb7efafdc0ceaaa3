/** `popauthd run`: the daemon in the foreground; with `--here` on the checkout's own state, with a demonstration where there is no log. */
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import type { LoadedConfig } from '../config/load.ts'
import type { DaemonOptions } from '../daemon-options.ts'
import { UsageError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { ServiceManager } from '../lib/service-manager.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { hereDirectory, loadConfigFor } from './load-config.ts'
import { runOrRebuild } from './offer-rebuild.ts'

const EXAMPLES = `
Stays in the foreground and logs to standard error; a service manager puts it into the background. SIGHUP reloads the
configuration (a bad one keeps the old), SIGTERM and Ctrl-C stop it with everything committed. A damaged table is
refused; on a terminal you are asked whether it is to be made anew of the logs, elsewhere popauthd rebuild does it.

Examples:
  popauthd run                              with /etc/popauthd/popauthd.yaml
  popauthd run --log /var/log/maillog       follows this log instead of the configured sources
  ssh mx tail -F /var/log/mail.log | popauthd run --log -
  npm start -- --demo                       a demonstration with a log of its own`

const DEMO_PACE_MS = 2_500

interface RunArguments {
  readonly log?: readonly string[]
  readonly demo?: boolean
}

/** What is followed, once the command line has been understood. `demoLog`: the demonstration's own log, where there is one. */
interface RunPlan {
  readonly logs: readonly string[]
  readonly readStdin: boolean
  readonly demoLog: string | undefined
}

/** Defines `run`. */
export const run: Configure = (command, context, act) => {
  command
    .option(
      '-l, --log <file>',
      'follow this log instead of the configured ones; repeat it for more; - is standard input',
      collect,
    )
    .option('--demo', 'follow a demonstration log, on a state of its own (with --here)')
    .addHelpText('after', EXAMPLES)
    .action(act((options: RunArguments) => start(context, options)))
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

async function start(context: CliContext, options: RunArguments): Promise<void> {
  const plan = await planOf(context, options)
  const load = () => loadForRun(context, plan)
  const loaded = await load()
  const signal = context.signals.onStop()
  const manager = new ServiceManager({ env: context.env, pid: process.pid, clock: context.clock })
  signal.addEventListener('abort', () => manager.stopping(), { once: true })
  keepHeapSmall()
  const { runDaemon } = await import('../daemon.ts')
  const writing = plan.demoLog === undefined ? undefined : writeDemo(context, plan.demoLog, signal)
  const daemonOptions: DaemonOptions = {
    signal,
    onReload: (listener) => context.signals.onReload(listener),
    reload: load,
    warnings: loaded.warnings,
    readStdin: plan.readStdin,
    sockets: manager.sockets,
    onReading: (stateWords) => manager.keepTelling(stateWords),
    onReady: (following) => {
      manager.ready(`following ${following.join(', ')}`)
      if (context.globals().here) context.stderr.write(whatNext(following, plan.demoLog !== undefined))
    },
  }
  const daemon = () => runDaemon(loaded, daemonOptions)
  // What is typed is the log then, and no answer.
  if (plan.readStdin) await daemon()
  else await runOrRebuild(context, loaded.config.stateDirectory, signal, daemon)
  if (signal.aborted) await writing
}

/** How large the part of the heap where objects begin may get, bytes. */
const MOST_YOUNG_BYTES = 8 * 1024 * 1024

/**
 * Ends the growth of that part: a daemon that reads a flood would let it get to 48 MB for good. Kept at its first size (1 MB) it would cost a
 * flood a quarter of its time.
 */
function keepHeapSmall(): void {
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young !== undefined && young.space_size < MOST_YOUNG_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  observer.observe({ entryTypes: ['gc'] })
}

async function planOf(context: CliContext, { log: logs = [], demo = false }: RunArguments): Promise<RunPlan> {
  const { here = false } = context.globals()
  if (demo && !here) {
    throw new UsageError('--demo works on the state of a checkout only', { mend: 'run: npm start -- --demo' })
  }
  if (demo && logs.length > 0) throw new UsageError('--demo writes its own log: leave --log out')
  const readStdin = logs.includes('-')
  if (readStdin && logs.length > 1) throw new UsageError('--log - goes alone: standard input is the only log then')
  const isDemo = demo || (here && logs.length === 0 && (await hasNothingToFollow(context)))
  const demoLog = isDemo ? join(hereDirectory(true), 'demo.log') : undefined
  return { logs: readStdin ? [] : logs.map((file) => resolve(file)), readStdin, demoLog }
}

/** True where no source is configured and this host has no mail log. @throws {SourceError} a log that exists cannot be read */
async function hasNothingToFollow(context: CliContext): Promise<boolean> {
  const { config } = await loadConfigFor(context, { demo: false })
  if (config.sources.length > 0) return false
  const { discoverLog } = await import('../sources/log-discovery.ts')
  return (await discoverLog()) === undefined
}

async function loadForRun(context: CliContext, { logs, demoLog }: RunPlan): Promise<LoadedConfig> {
  const { loadCheckedConfig } = await import('./known-parsers.ts')
  const followed = demoLog === undefined ? logs : [demoLog]
  return loadCheckedConfig(context, {
    demo: demoLog !== undefined,
    overrides: {
      ...(followed.length === 0 ? {} : { sources: followed.map((file) => ({ file })) }),
      ...(demoLog === undefined ? {} : { sendmail_access: { enabled: false } }),
      ...(context.globals().here ? { log: { level: 'debug', format: 'pretty' } } : {}),
    },
  })
}

async function writeDemo(context: CliContext, path: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 })
  const { writeDemoLog } = await import('./demo-log.ts')
  await writeDemoLog(path, { clock: context.clock, paceMs: DEMO_PACE_MS, signal })
}

function whatNext(following: readonly string[], demo: boolean): string {
  const what = demo ? 'a demonstration (no mail log was named or found)' : escapeForTerminal(following.join(', '))
  return `
  popauthd follows ${what}. Ctrl-C stops it. Type in another terminal:

    ./popauthd list                  who may relay now
    ./popauthd check 198.51.100.7    may this address?
    ./popauthd why 203.0.113.9       every fact behind the answer
    ./popauthd explain 'LINE'        what popauthd makes of a line of your log

`
}
