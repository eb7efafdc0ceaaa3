/** Errors as a person reads them: what failed and how to mend it, on standard error, with an exit code. */
import { type ExitCode, PopauthdError, UsageError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { type Colors, colorsFor } from '../lib/terminal.ts'
import type { CliContext } from './context.ts'

/** Arguments that the command line does not know. `command` is the one that was called, where there is one of that name. */
export class UsageProblem extends UsageError {
  constructor(message: string, command?: string) {
    const overview = 'popauthd --help lists the commands, popauthd COMMAND --help their options'
    const mend =
      command === undefined ? overview : `popauthd ${command} --help shows its arguments, options and examples`
    super(message.replace(/^error: /, ''), { mend })
  }
}

/** Writes `error` and returns the exit code that goes with it; one that is no {@link PopauthdError} is a fault of ours: 3. */
export function reportError(error: unknown, context: Pick<CliContext, 'stderr' | 'env'>, debug: boolean): ExitCode {
  const colors = colorsFor(context.stderr, context.env)
  context.stderr.write(errorText(error, colors, debug))
  return error instanceof PopauthdError ? error.exitCode : 3
}

function errorText(error: unknown, colors: Colors, debug: boolean): string {
  const known = error instanceof PopauthdError
  const message = error instanceof Error ? error.message : String(error)
  const lines = [`${colors.red('popauthd:')} ${escapeLines(known ? message : `unexpected error: ${message}`)}`]
  const mend = known ? error.mend : 'run the command again with --debug and report what it shows'
  if (mend !== undefined) lines.push(`  ${escapeLines(mend, '  ')}`)
  if (debug) lines.push(...stacksOf(error))
  return `${lines.join('\n')}\n`
}

function stacksOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const own = escapeLines(error.stack ?? error.message)
  return error.cause === undefined ? [own] : [own, 'caused by:', ...stacksOf(error.cause)]
}

function escapeLines(text: string, indent = ''): string {
  return text.split('\n').map(escapeForTerminal).join(`\n${indent}`)
}
