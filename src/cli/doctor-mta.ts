/** `popauthd doctor mta`: asks the MTA of this host as a foreign client would be judged. */
import { Argument, type Command } from 'commander'
import type { ClientAddress } from '../core/client-address.ts'
import { type Finding, findingsOf } from '../doctor/finding.ts'
import { examinable, examineMta } from '../doctor/mta/index.ts'
import { chooseSubjects, type Subject } from '../doctor/mta/judge.ts'
import { type ExitCode, PopauthdError } from '../errors.ts'
import { hostTools } from '../setup/tools.ts'
import { addressArgument } from './arguments.ts'
import type { CliContext, CommandWork } from './context.ts'
import { hostFor, printFindings } from './findings.ts'
import { withTarget } from './target.ts'

const EXAMPLES = `
Asks the MTA what it would say to a client from elsewhere, and compares that with popauthd check: for an address that nobody has
(203.0.113.x, which must be refused: it would be an open relay), for one that may relay now if there is one, and for IP if given.
Postfix: its restrictions, postmap -q, and a dialog with XCLIENT where that is permitted. Exim: exim -bh. sendmail: sendmail -bt.
qmail: tcprulescheck. OpenSMTPD: its rules, and the table program. Courier: the files of makesmtpaccess. These three cannot be asked
what they would say; what is asked instead, and what that does not prove, stands in the first line about it.
A dialog from loopback proves nothing and is never held. No mail is sent. Run it as root.

Exit codes are those of doctor: 0 no problem, 1 a problem, 2 usage, 3 no problem, but something could not be looked at.

Examples:
  popauthd doctor mta postfix
  popauthd doctor mta exim 198.51.100.7          what would this client be told?
  popauthd doctor mta sendmail --json | jq '.findings[] | select(.verdict != "ok")'`

/** Adds the subcommand to `doctor`. */
export function addDoctorMta(
  doctor: Command,
  context: CliContext,
  act: (
    work: (name: string, ip: string | undefined, options: { json?: boolean }) => CommandWork,
  ) => (name: string, ip: string | undefined, options: { json?: boolean }) => Promise<void>,
): void {
  doctor
    .command('mta')
    .description('ask the MTA as a foreign client would be judged')
    .addArgument(new Argument('<name>', 'the MTA').choices([...examinable]))
    .argument('[ip]', 'also ask about this address')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act((name, ip, options) => examineNamed(context, name, ip, options.json === true || doctor.opts().json === true)),
    )
}

async function examineNamed(
  context: CliContext,
  name: string,
  ip: string | undefined,
  json: boolean,
): Promise<ExitCode> {
  const named = ip === undefined ? undefined : addressArgument(ip)
  const host = await hostFor(context, [])
  const asked = await subjectsFor(context, named).catch(async (error: unknown) => {
    if (!(error instanceof PopauthdError)) throw error
    const subjects = await chooseSubjects(
      named,
      async () => false,
      async () => undefined,
    )
    return { subjects, trouble: error.message }
  })
  const findings = await examineMta(name, { host, tools: hostTools, subjects: asked.subjects })
  return printFindings(context, [...troubleOf(asked.trouble), ...findings], json)
}

/** Where popauthd cannot say who may relay, nobody is taken to. */
function troubleOf(trouble: string | undefined): Finding[] {
  const { unknown } = findingsOf('table', 'who may relay')
  return trouble === undefined ? [] : [unknown(`cannot be told, so the MTA is asked as if nobody may: ${trouble}`)]
}

async function subjectsFor(
  context: CliContext,
  named: ClientAddress | undefined,
): Promise<{ subjects: Subject[]; trouble?: string }> {
  const subjects = await withTarget(context, 'read', (target) =>
    chooseSubjects(
      named,
      async (address) => (await target.check(address)).authorized,
      async () => {
        for await (const { address } of target.list()) return address
        return undefined
      },
    ),
  )
  return { subjects }
}
