/** `doctor mta qmail`: which rules the running tcpserver reads, who may read them, and what they say of a foreign client (tcprulescheck). */
import { keyOfAddress } from '../../publishers/tcprules/keys.ts'
import { SCRIPTS } from '../../setup/others/qmail.ts'
import { saidBy, type Tools } from '../../setup/tools.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { fileFor } from './file-for.ts'
import { judge, type MtaHost, type Subject, type Verdict } from './judge.ts'
import { keeperOf } from './keeper.ts'
import { smtpServers, type Tcpserver } from './tcpservers.ts'

const SETUP = 'popauthd setup mta qmail tells what belongs where'
const CONTROL = '/var/qmail/control'

/** All findings about tcpserver, its rules, and qmail's own list of domains. */
export async function examineQmail(mta: MtaHost): Promise<Finding[]> {
  const { ok, problem } = findingsOf('qmail', 'tcprulescheck')
  const map = mta.host.config.maps.find((one) => one.format === 'tcprules')
  if (map?.format !== 'tcprules')
    return [problem('popauthd keeps no rules for tcpserver: no login lets anybody relay', SETUP)]
  const servers = await smtpServers(mta.host.places.proc)
  return [
    ok(
      'is asked which variables tcpserver would set. Not proven by that: that the SMTP server behind it heeds RELAYCLIENT; only relaying from another host shows it',
    ),
    ...(await recipeFindings(servers, map.path, mta.tools)),
    await fileFor(map.path, readerOf(servers, mta), 'nobody can relay, and without -X nobody is let in'),
    ...(await domainFindings(mta.tools)),
    ...(await Promise.all(mta.subjects.map((subject) => ruleFinding(subject, map.path, mta)))),
  ]
}

/** Running servers prove which file is in force; a script tells which one will be. */
async function recipeFindings(servers: readonly Tcpserver[], path: string, tools: Tools): Promise<Finding[]> {
  if (servers.length > 0)
    return servers.map(({ pid, port, rules }) => {
      const { ok, problem } = findingsOf('recipe', `tcpserver ${pid}`)
      return rules === path
        ? ok(`port ${port}: reads the rules that popauthd keeps: ${path}`)
        : problem(
            `port ${port}: reads ${rules ?? 'no rules'}, and popauthd keeps ${path}`,
            `${SETUP}; restart the service once`,
          )
    })
  const unseen = findingsOf('recipe', 'tcpserver').unknown(
    'no tcpserver for SMTP is seen running: which rules are in force cannot be told',
    'start it, and run this as root',
  )
  for (const script of SCRIPTS) {
    const text = await tools.read(script)
    if (text === undefined) continue
    const { problem } = findingsOf('recipe', script)
    return text.includes(path)
      ? [unseen]
      : [unseen, problem(`does not name ${path}: no login lets anybody relay`, SETUP)]
  }
  return [unseen]
}

/** tcpserver has given its rights away when it opens the file. */
function readerOf([server]: readonly Tcpserver[], { host }: MtaHost) {
  if (server === undefined) return { name: 'an SMTP server that is not root', uid: -1, gids: [] }
  const { uid = 0, gid = 0 } = server
  return { name: host.accounts.nameOf(uid) ?? `user ${uid}`, uid, gids: [gid] }
}

async function domainFindings(tools: Tools): Promise<Finding[]> {
  const path = `${CONTROL}/rcpthosts`
  if (!(await tools.isThere(CONTROL)) || (await tools.isThere(path))) return []
  const { problem } = findingsOf('recipe', path)
  return [
    problem(
      'is not there: qmail-smtpd takes mail from everybody to everywhere: OPEN RELAY',
      'list your own domains in it',
    ),
  ]
}

const MENDS = {
  open: 'look at your own rules (`rules` of the map): one of them sets RELAYCLIENT for this address',
  refused: 'popauthd status tells of maps that are in trouble; ask once more, for it may have changed meanwhile',
  deferred: '',
}

async function ruleFinding(subject: Subject, path: string, { tools, host }: MtaHost): Promise<Finding> {
  const { unknown } = findingsOf('tcprulescheck', subject.address)
  const env = { TCPREMOTEIP: keyOfAddress(subject.address) }
  const told = await tools.run(['tcprulescheck', path], { env, timeoutMs: 15_000, as: keeperOf(host) })
  if (told === undefined) return unknown('there is no tcprulescheck', 'it comes with tcpserver (ucspi-tcp)')
  const verdict = told.code === 0 ? verdictOf(told.stdout, subject.authorized) : undefined
  if (verdict === undefined) return unknown(`could not be asked: ${saidBy(told)}`)
  return judge('tcprulescheck', subject, verdict, told.stdout.trim().split('\n').join('; '), MENDS, host)
}

/** What tcpserver would do; a rule that denies beats a login. Undefined: another answer than tcprulescheck(1) has. */
export function verdictOf(stdout: string, authorized: boolean): Verdict | undefined {
  if (/^deny connection$/m.test(stdout)) return authorized ? 'other' : 'refused'
  if (!/^allow connection$/m.test(stdout)) return undefined
  return /^set environment variable RELAYCLIENT=/m.test(stdout) ? 'permitted' : 'refused'
}
