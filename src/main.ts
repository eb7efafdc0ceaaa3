#!/usr/bin/env node
/** The process: argv -> one command. Alone sets process.exitCode and listens for signals. */
import type { CliProcess, ProcessSignals } from './cli/context.ts'
import { runCli } from './cli/run-cli.ts'
import { systemClock } from './lib/clock.ts'

const signals: ProcessSignals = {
  onStop() {
    const controller = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort(name))
    return controller.signal
  },
  onReload(listener) {
    process.on('SIGHUP', listener)
    return () => void process.off('SIGHUP', listener)
  },
}

const output = new AbortController()
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    output.abort()
  })

const cli: CliProcess = {
  stdin: () => process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  clock: systemClock,
  signals,
  outputClosed: output.signal,
}
process.exitCode = await runCli(process.argv.slice(2), cli)
