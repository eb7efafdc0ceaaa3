/** `doctor mta sendmail`: whether sendmail.cf asks popauthd, the socket or map, and its rules as if a foreign client had connected (sendmail -bt). */
import { addressToBytes, type ClientAddress, isIPv4Address } from '../../core/client-address.ts'
import { directoryProblem } from '../../lib/unix-socket.ts'
import { lookAtSendmail, type SendmailFound } from '../../setup/sendmail/look.ts'
import { saidBy } from '../../setup/tools.ts'
import { reacherOf } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { judge, type MtaHost, RECIPIENT, type Subject, type Verdict } from './judge.ts'
import { socketFor } from './socket-for.ts'

const SETUP =
  'popauthd setup mta sendmail prints the lines, and --write puts them in; then make sendmail.cf anew and restart sendmail'
/** Names are looked up, and that may take its time. */
const RULES_MS = 90_000

/** All findings about sendmail. */
export async function examineSendmail(mta: MtaHost): Promise<Finding[]> {
  const found = await lookAtSendmail(mta.tools)
  const { ok, problem, unknown } = findingsOf('sendmail', typeof found === 'object' ? found.cfFile : 'sendmail')
  if (found === undefined) return [problem('is not installed here', 'run this on the mail host, as root')]
  if (typeof found === 'string') return [problem(found)]
  const cf = await mta.tools.read(found.cfFile)
  if (cf === undefined) return [unknown('is not there', 'run this on the mail host, as root')]
  const socket = /^Kpopauth\s+socket\s.*\b(?:local|unix):(\S+)/m.exec(cf)?.[1]
  const map = /^Kaccess\s+(\w+)\s.*?(\/\S+)\s*$/m.exec(cf)
  const access = mta.host.config.sendmailAccess
  const readsMap = access.enabled && map !== null && map[2] === access.path && map[1] === access.mapType
  return [
    ok(
      `${found.version}, built with ${found.options.filter((option) => /^(SOCKETMAP|NEWDB|CDB)/.test(option)).join(' ')}`,
    ),
    recipeFinding(socket, readsMap, mta, found),
    ...(socket === undefined ? [] : await socketFindings(socket, found, mta)),
    ...(
      await Promise.all(mta.subjects.map((subject) => rulesFinding(subject, found, socket !== undefined, mta)))
    ).flat(),
  ]
}

function recipeFinding(
  socket: string | undefined,
  readsMap: boolean,
  { host }: MtaHost,
  { cfFile, mc }: SendmailFound,
): Finding {
  const { ok, problem } = findingsOf('recipe', cfFile)
  const { socketmap } = host.config
  if (socket !== undefined) {
    if (!socketmap.enabled)
      return problem(`asks at ${socket}, and popauthd does not answer sendmail: socketmap.enabled is false`, SETUP)
    return socket === socketmap.path
      ? ok(`asks popauthd: ${socket}`)
      : problem(`asks at ${socket}, and popauthd answers at ${socketmap.path}`, 'name the same socket in both', SETUP)
  }
  if (readsMap) return ok(`reads the map that popauthd keeps: ${host.config.sendmailAccess.path}`)
  return mc?.includes("FEATURE(`popauthd'") === true
    ? problem(
        'does not ask popauthd, though sendmail.mc says so',
        'make sendmail.cf anew: sendmailconfig, or make -C /etc/mail',
      )
    : problem('neither asks popauthd nor reads its map: no login lets anybody relay', SETUP)
}

async function socketFindings(path: string, { runAs }: SendmailFound, { host }: MtaHost): Promise<Finding[]> {
  const user = runAs?.split(':')[0] ?? 'root'
  const who = user === 'root' ? { name: 'root', uid: 0, gids: [0] } : reacherOf(user, host)
  const found = await socketFor(path, who, 'socketmap.group and socketmap.mode say who may open it (docs/sendmail.md)')
  const unsafe = await directoryProblem(path).catch(() => undefined)
  const { problem } = findingsOf('socket', path)
  return unsafe === undefined ? found : [...found, problem(unsafe, 'take that right away: chmod go-w')]
}

const MENDS = {
  open: 'look at /etc/mail/access, relay-domains and the features of sendmail.mc (promiscuous_relay, relay_entire_domain)',
  refused: SETUP,
  deferred: 'see the findings about the socket; the log of sendmail tells more',
}

/** Asks the map, and the rules of RCPT with the macros of that client. Nothing is connected to, and nothing sent. */
async function rulesFinding(
  subject: Subject,
  { program, recipientRules }: SendmailFound,
  hasMap: boolean,
  { tools, host }: MtaHost,
): Promise<Finding[]> {
  const { address, authorized } = subject
  const { ok, problem, unknown } = findingsOf('sendmail -bt', address)
  const spelled = sendmailSpelling(address)
  const lines = [
    ...(hasMap ? [`/map popauth connect:${spelled}`] : []),
    `.D{client_addr}${spelled}`,
    `.D{client_name}[${spelled}]`,
    '.D{client_resolve}FAIL',
    `${recipientRules} <${RECIPIENT}>`,
  ]
  const told = await tools.run([program, '-bt'], { input: `${lines.join('\n')}\n`, timeoutMs: RULES_MS })
  if (told === undefined) return [unknown(`there is no ${program}`)]
  const { verdict, said } = verdictIn(told.stdout)
  if (verdict === undefined) return [unknown(`its rules could not be asked: ${saidBy(told)}`, 'run this as root')]
  const judged = judge('sendmail -bt', subject, verdict, said, MENDS, host)
  if (!hasMap) return [judged]
  const relay = /^(?:> )*map_lookup: popauth \([^)]*\) returns RELAY\b/m.test(told.stdout)
  const cannot = /Map named "popauth" not (?:open|found)|popauth.*(?:unsafe|Deferred|refused)/i.exec(
    told.stdout + told.stderr,
  )?.[0]
  if (cannot !== undefined) return [problem(`the map popauth cannot be asked (${cannot})`, MENDS.deferred), judged]
  return relay === authorized
    ? [ok(`the map popauth says ${relay ? 'RELAY' : 'nothing'}, as popauthd check does`), judged]
    : [
        problem(
          `the map popauth says ${relay ? 'RELAY' : 'nothing'}, and popauthd check says that it may ${authorized ? '' : 'not '}relay`,
          MENDS.deferred,
        ),
        judged,
      ]
}

/** As sendmail spells an address in ${client_addr}: IPv6 with all its words. */
export function sendmailSpelling(address: ClientAddress): string {
  if (isIPv4Address(address)) return address
  const bytes = addressToBytes(address)
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(bytes.length - 16 + 2 * i).toString(16))
  return `IPv6:${words.join(':')}`
}

/** What check_rcpt returned: an error refuses or, with a 4, puts off; everything else lets the recipient pass. */
export function verdictIn(stdout: string): { verdict: Verdict | undefined; said: string } {
  const returned = [...stdout.matchAll(/^(?:> )*check_?rcpt\s+returns: (.*)$/gm)].at(-1)?.[1]
  if (returned === undefined) return { verdict: undefined, said: '' }
  if (!returned.startsWith('$# error')) return { verdict: 'permitted', said: '' }
  const said = /\$: "?(.*?)"?\s*$/.exec(returned)?.[1]?.replaceAll('"', '') ?? returned
  if (/\$@ (?:4|tempfail)/i.test(returned) || /^4/.test(said)) return { verdict: 'deferred', said }
  return { verdict: /relay/i.test(said) ? 'refused' : 'other', said }
}
