/** What OpenSMTPD's table says of a client: the table program, asked as smtpd asks it, or the file. */
import { type ClientAddress, isIPv4Address, networkContains, parseNetwork } from '../../core/client-address.ts'
import { saidBy, type Tools } from '../../setup/tools.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { agreement } from './agreement.ts'
import { fileFor } from './file-for.ts'
import type { MtaHost, Subject } from './judge.ts'

/** Asks the program that smtpd runs, over popauthd's socket. */
export async function programAnswers(socket: string, directories: readonly string[], mta: MtaHost): Promise<Finding[]> {
  const program = await firstThere(directories, mta.tools)
  const { problem } = findingsOf('table program', 'table-popauthd')
  if (program === undefined)
    return [
      problem(
        `is in none of ${directories.join(', ')}: smtpd does not start`,
        'popauthd setup mta opensmtpd links it there',
      ),
    ]
  return Promise.all(mta.subjects.map((subject) => programAnswer(program, socket, subject, mta)))
}

async function firstThere(directories: readonly string[], tools: Tools): Promise<string | undefined> {
  for (const directory of directories) {
    const program = `${directory}/table-popauthd`
    if (await tools.isThere(program)) return program
  }
  return undefined
}

async function programAnswer(
  program: string,
  socket: string,
  subject: Subject,
  { tools, host }: MtaHost,
): Promise<Finding> {
  const { warning, problem } = findingsOf('table program', subject.address)
  const key = isIPv4Address(subject.address) ? subject.address : `[${subject.address}]`
  const input = `table|0.1|0|popauth|check|netaddr|1|${key}\n`
  const told = await tools.run([program, socket], { input, timeoutMs: 15_000 })
  const says = /^check-result\|1\|(found|not-found)$/m.exec(told?.stdout ?? '')?.[1]
  if (says !== undefined) return agreement('table program', subject, says, says === 'found')
  const why = told === undefined ? `${program} cannot be run` : saidBy(told)
  return host.daemon.kind === 'runs'
    ? problem(`gives no answer: ${why}`, 'see the findings about the socket; the program needs node on its PATH')
    : warning(`gives no answer: ${why}`, 'start popauthd')
}

/** Looks into the file; whether the running smtpd has read it since cannot be asked. */
export async function fileAnswers(path: string, { tools, subjects }: MtaHost): Promise<Finding[]> {
  const root = { name: 'smtpd', uid: 0, gids: [0] }
  const missing = 'smtpd keeps what it read before, and does not start without it'
  const finding = await fileFor(path, root, missing)
  const text = finding.verdict === 'ok' ? await tools.read(path) : undefined
  if (text === undefined) return [finding]
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return [
    finding,
    ...subjects.map((subject) => {
      const found = lines.find((line) => holds(line, subject.address))
      return agreement('file table', subject, found ?? 'nothing', found !== undefined)
    }),
  ]
}

function holds(line: string, address: ClientAddress): boolean {
  const network = parseNetwork(line.replace(/^\[(.*)\]$/, '$1'))
  return network !== undefined && networkContains(network, address)
}
