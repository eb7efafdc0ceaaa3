/** What table commands talk to: the running daemon, or the table itself where none runs. */

import type { ControlTarget } from '../admin/control-target.ts'
import type { OfflineUse } from '../admin/offline-target.ts'
import type { Config } from '../config/config.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { CliContext } from './context.ts'
import { loadConfigFor } from './load-config.ts'

/** Runs `work` on the daemon, or on the table where no daemon answers. `work` may be called twice: it prints nothing. */
export async function withTarget<T>(
  context: CliContext,
  use: OfflineUse,
  work: (target: ControlTarget) => Promise<T>,
): Promise<T> {
  const { config } = await loadConfigFor(context)
  const { ControlClient, NoDaemonError } = await import('../admin/control-client.ts')
  try {
    return await work(new ControlClient(config.control.path))
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error
    return withOfflineTarget(context, config, use, work)
  }
}

async function withOfflineTarget<T>(
  context: CliContext,
  config: Config,
  use: OfflineUse,
  work: (target: ControlTarget) => Promise<T>,
): Promise<T> {
  const { openOfflineTarget } = await import('../admin/offline-target.ts')
  const target = await openOfflineTarget(config, use, context.clock, (message, fields) =>
    tell(context, message, fields),
  )
  try {
    return await work(target)
  } finally {
    await target[Symbol.asyncDispose]()
  }
}

function tell(context: CliContext, message: string, { entries = [], mend }: Record<string, unknown>): void {
  const named = Array.isArray(entries) ? entries.map(String) : []
  const more = [...named, ...(typeof mend === 'string' ? [mend] : [])].map((line) => `  ${escapeForTerminal(line)}\n`)
  context.stderr.write(`popauthd: ${escapeForTerminal(message)}\n${more.join('')}`)
}
