/** `popauthd setup mta`: looks at the installed MTA, prints the recipe for it, and with --write carries it out. */
import { Argument } from 'commander'
import { type ExitCode, UsageError } from '../errors.ts'
import { colorsFor, widthOf } from '../lib/terminal.ts'
import type { WrittenFile } from '../setup/carry-out.ts'
import { mtas } from '../setup/index.ts'
import { isDone, type Mta, type Plan, type SetupContext, type Step } from '../setup/plan.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { print, printJson } from './output.ts'
import { changesText, planJson, planText, writtenText } from './setup-text.ts'
import { canAsk, isYes } from './yes-or-no.ts'

const WAYS = mtas.map(({ name, ways }) => `  ${name.padEnd(10)} ${ways.join(', ')}`).join('\n')

const EXAMPLES = `
Looks at the MTA of this host (version, maps it can, chroot, its files, its group) and at popauthd's configuration, and prints
what belongs where, and why: the text of the MTA's page in docs with the values of this host. It
changes nothing without --write, which shows each change first, keeps a copy (FILE.before-popauthd-N), has the MTA check the
result, and puts the copies back where it refuses it. It restarts nothing. What stands there in a form that is not exactly
understood is left alone. Run it as root.

Ways to attach (--by), the best first:
${WAYS}

Exit code 0: printed, or done. 1: something is in the way. 2: usage, or the configuration does not validate.
3: a file or program cannot be used; every file is as it was.

Examples:
  popauthd setup mta postfix                    what belongs where
  popauthd setup mta postfix --write            shows the changes, asks, and makes them
  popauthd setup mta sendmail --by map          the access map instead of the socket
  popauthd setup mta exim --json | jq .troubles
  popauthd doctor mta postfix                   afterwards: is it so?`

interface SetupArguments {
  readonly by?: string
  readonly write?: boolean
  readonly yes?: boolean
  readonly withDoctor?: boolean
  readonly json?: boolean
}

const OVERVIEW = `
Examples:
  popauthd setup mta postfix            what belongs where, and why
  popauthd setup mta postfix --write    shows the changes, asks, and makes them
  popauthd setup mta --help`

/** Defines `setup` with its only subcommand. */
export const setup: Configure = (command, context, act) => {
  command.addHelpText('after', OVERVIEW)
  command
    .command('mta')
    .description('attach an MTA: the lines for its configuration and for popauthd.yaml')
    .addArgument(new Argument('<name>', 'the MTA').choices(mtas.map(({ name }) => name)))
    .option('--by <way>', 'how popauthd is attached (default: the way in use, else the best that this MTA can)')
    .option('--write', 'make the changes, after showing them and asking')
    .option('-y, --yes', 'do not ask')
    .option('--with-doctor', 'postfix: also a service by which `doctor mta` can pretend to be a foreign client')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(act((name: string, options: SetupArguments) => setUp(context, mtaOf(name), options)))
}

function mtaOf(name: string): Mta {
  return mtas.find((mta) => mta.name === name) as Mta
}

async function setUp(context: CliContext, mta: Mta, options: SetupArguments): Promise<ExitCode> {
  if (options.by !== undefined && !mta.ways.includes(options.by))
    throw new UsageError(`${mta.title} cannot be attached by "${options.by}"`, {
      mend: `one of: ${mta.ways.join(', ')}`,
    })
  const plan = await mta.plan(await setupContext(context, options))
  const isReady = plan.troubles.length === 0
  if (options.write === true && isReady) return write(context, mta, plan, options)
  if (options.json) await printJson(context, planJson(plan))
  else await print(context, planText(mta, plan, colorsFor(context.stdout, context.env), widthOf(context.stdout)))
  if (options.write === true) context.stderr.write('popauthd: nothing was changed: see what is in the way, above\n')
  return isReady ? 0 : 1
}

async function setupContext(context: CliContext, options: SetupArguments): Promise<SetupContext> {
  const { loadCheckedConfig } = await import('./known-parsers.ts')
  const { usualConfigFile } = await import('./load-config.ts')
  const { Accounts } = await import('../doctor/accounts.ts')
  const { hostTools } = await import('../setup/tools.ts')
  const { daemonUserOf } = await import('../setup/daemon-user.ts')
  const loaded = await loadCheckedConfig(context)
  const accounts = Accounts.ofHost()
  return {
    tools: hostTools,
    accounts,
    loaded,
    configFile: loaded.file ?? (await usualConfigFile(context)),
    daemonUser: await daemonUserOf(loaded.config.stateDirectory, accounts, hostTools),
    by: options.by,
    withDoctor: options.withDoctor === true,
  }
}

async function write(context: CliContext, mta: Mta, plan: Plan, options: SetupArguments): Promise<ExitCode> {
  const colors = colorsFor(context.stdout, context.env)
  const isLeft = (step: Step) => step.kind !== 'hand' && !isDone(step)
  const written = !plan.steps.some(isLeft) ? [] : await carriedOut(context, plan, options)
  if (written === undefined) return 1
  if (options.json) await printJson(context, { ...planJson(plan), written })
  else await print(context, writtenText(mta, plan, written, colors, widthOf(context.stdout)))
  return 0
}

/** Undefined after a no. @throws {UsageError} nobody can be asked, and nobody said yes */
async function carriedOut(
  context: CliContext,
  plan: Plan,
  { yes, json }: SetupArguments,
): Promise<readonly WrittenFile[] | undefined> {
  if (!json) await print(context, changesText(plan, colorsFor(context.stdout, context.env)))
  if (yes !== true) {
    if (json || !canAsk(context))
      throw new UsageError('nobody can be asked whether to make the changes', {
        mend: 'look at them without --write, then add --yes',
      })
    const { signals, stderr } = context
    if (!(await isYes(context, 'Make these changes? [y/N] ', signals.onStop()))) {
      stderr.write('popauthd: nothing was changed\n')
      return undefined
    }
  }
  const { carryOut } = await import('../setup/carry-out.ts')
  const { hostTools } = await import('../setup/tools.ts')
  const { loadCheckedConfig } = await import('./known-parsers.ts')
  return carryOut(plan, hostTools, async () => void (await loadCheckedConfig(context)))
}
