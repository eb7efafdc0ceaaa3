/** From arguments to one command and its exit code. Errors become a message with its mend; nothing here ends the process. */
import { Command, CommanderError } from 'commander'
import type { ExitCode } from '../errors.ts'
import { version } from '../lib/version.ts'
import { type CommandEntry, commands } from './commands.ts'
import type { CliContext, CliProcess, GlobalOptions } from './context.ts'
import { reportError, UsageProblem } from './report-error.ts'

const HELP_AFTER = `
Exit codes: 0 yes or done, 1 no, 2 usage or configuration, 3 cannot reach, read or write.
"popauthd COMMAND --help" shows the options and examples of a command.`

/** Runs the command named in `args` (without node and script). Never rejects. */
export async function runCli(args: readonly string[], process: CliProcess): Promise<ExitCode> {
  const program = new Command('popauthd')
  const context: CliContext = { ...process, globals: () => program.opts<GlobalOptions>() }
  let exitCode: ExitCode = 0
  try {
    defineProgram(program, context)
    await addCommands(program, args, context, (code) => {
      exitCode = code
    })
    await program.parseAsync(calledCommands(args).length > 0 ? args : [...args, '--help'], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const debug = args.includes('--debug')
    if (error instanceof CommanderError && error.code === 'commander.help') error.message = 'a subcommand is missing'
    return reportError(
      error instanceof CommanderError ? new UsageProblem(error.message, knownCommand(args)) : error,
      context,
      debug,
    )
  }
}

function defineProgram(program: Command, context: CliContext): void {
  program
    .description('POP-before-SMTP: a host that has just logged in by POP3 or IMAP may relay mail for a limited time.')
    .version(version, '-V, --version', 'print the version')
    .option('-c, --config <file>', 'configuration file (default: /etc/popauthd/popauthd.yaml)')
    .option('--here', 'use the state below the checkout, as npm start does')
    .option('--debug', 'show the stack of errors')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', HELP_AFTER)
    .configureHelp({ helpWidth: 100 })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: () => {}, // the message comes back as an error and is written once, by reportError
    })
    .showSuggestionAfterError(true)
}

/** Adds all commands by name; loads the file only of the one that `args` calls. */
async function addCommands(
  program: Command,
  args: readonly string[],
  context: CliContext,
  finish: (code: ExitCode) => void,
): Promise<void> {
  const called = calledCommands(args)
  for (const [name, entry] of Object.entries(commands) as [string, CommandEntry][]) {
    const command = program.command(name).description(entry.summary)
    if (!called.includes(name)) continue
    const configure = await entry.load()
    configure(
      command,
      context,
      (work) =>
        async (...given) =>
          finish((await work(...given)) ?? 0),
    )
  }
}

/** The command that `args` call, where there is one of that name. */
function knownCommand(args: readonly string[]): string | undefined {
  return calledCommands(args).find((name) => Object.hasOwn(commands, name))
}

/** The command in `args`: the first operand, or what follows `help`. A value of `--config` is no operand. */
function calledCommands(args: readonly string[]): readonly string[] {
  const operands = args.filter((arg, i) => !arg.startsWith('-') && !['-c', '--config'].includes(args[i - 1] ?? ''))
  return operands[0] === 'help' ? operands.slice(0, 2) : operands.slice(0, 1)
}
