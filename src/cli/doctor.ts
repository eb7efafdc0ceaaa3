/** `popauthd doctor`: looks at this host with the daemon's own configuration, and says what to mend. */
import type { ExitCode } from '../errors.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { addDoctorMta } from './doctor-mta.ts'
import { hostFor, printFindings } from './findings.ts'

const EXAMPLES = `
Looks at who can write a login into each log, and what to follow instead where anybody can; at the rights of the
configuration, the state and the sockets; at the daemon, the table, free space and the prune job. It changes nothing.
Run it as root: it sees more. docs/doctor.md tells each check.

Exit code 0: no problem (there may be warnings). 1: a problem. 2: the configuration does not validate.
3: no problem, but something could not be looked at.

Examples:
  popauthd doctor
  popauthd doctor mta postfix                   asks the MTA, as a foreign client would be judged
  popauthd doctor --log /var/log/dovecot.log    looks at this log instead of the configured ones
  popauthd doctor --json | jq '.findings[] | select(.verdict != "ok")'`

interface DoctorArguments {
  readonly json?: boolean
  readonly log?: readonly string[]
}

/** Defines `doctor`. */
export const doctor: Configure = (command, context, act) => {
  command
    .option('--json', 'print one JSON object')
    .option('-l, --log <file>', 'look at this log instead of the configured ones; repeat it for more', collect)
    .addHelpText('after', EXAMPLES)
    .action(act((options: DoctorArguments) => examineHost(context, options)))
  addDoctorMta(command, context, act)
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

async function examineHost(context: CliContext, { json, log = [] }: DoctorArguments): Promise<ExitCode> {
  const { examine } = await import('../doctor/index.ts')
  return printFindings(context, await examine(await hostFor(context, log)), json === true)
}
