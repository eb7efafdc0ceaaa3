/** The process: argv -> one command. Alone sets process.exitCode and listens for signals. */
import type { CliProcess, ProcessSignals } from './cli/context.ts'
import { reportError } from './cli/report-error.ts'
import { runCli } from './cli/run-cli.ts'
import { PopauthdError, reasonOf } from './errors.ts'
import { systemClock } from './lib/clock.ts'

const signals: ProcessSignals = {
  onStop() {
    const controller = new AbortController()
    // A second signal changes nothing (npm and a service manager may each send one): the maps must be left as `when_stopped` says.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => controller.abort(name))
    return controller.signal
  },
  onReload(listener) {
    process.on('SIGHUP', listener)
    return () => void process.off('SIGHUP', listener)
  },
}

const output = new AbortController()
let writeFailure: NodeJS.ErrnoException | undefined
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') writeFailure ??= error // a closed pipe is no fault: whoever read it has had enough
  output.abort()
})
process.stderr.on('error', () => {}) // nobody left to tell

const cli: CliProcess = {
  stdin: () => process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  clock: systemClock,
  signals,
  outputClosed: output.signal,
}
const exitCode = await runCli(process.argv.slice(2), cli)
if (writeFailure === undefined) process.exitCode = exitCode
else {
  const failure = new PopauthdError(`cannot write to standard output: ${reasonOf(writeFailure)}`, {
    cause: writeFailure,
  })
  process.exitCode = reportError(failure, cli, false)
}
