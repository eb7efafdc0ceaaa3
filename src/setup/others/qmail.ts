/** `setup mta qmail`: the recipe of docs/qmail.md: the rules of tcpserver, with the operator's own merged in. The run script is changed by hand. */
import { daemonTrouble, entryStep, restartLines } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { Mta, Plan, SetupContext, Step } from '../plan.ts'
import { qmailEntry, tcpserverOption } from '../recipes/others.ts'

const RULES = '/etc/tcp.smtp'
/** Where the run script of the SMTP server may be. */
export const SCRIPTS = [
  '/service/qmail-smtpd/run',
  '/var/qmail/supervise/qmail-smtpd/run',
  '/etc/service/qmail-smtpd/run',
]

/** qmail behind tcpserver, as `setup` knows it. */
export const qmail: Mta = { name: 'qmail', title: 'qmail', ways: ['map'], page: 'docs/qmail.md', plan }

async function plan(context: SetupContext): Promise<Plan> {
  const { tools, loaded } = context
  const { maps, stateDirectory } = loaded.config
  const server = await tools.run(['tcpserver'])
  const rules = (await tools.stat(RULES)) === undefined ? undefined : RULES
  const found = await scriptThere(context)
  const map = maps.find(({ format }) => format === 'tcprules')
  const option = map !== undefined && 'path' in map ? `-x ${map.path}` : tcpserverOption({ state: stateDirectory })
  const steps: Step[] = [
    await entryStep(context, 'maps', qmailEntry({ state: stateDirectory }, rules), map !== undefined),
    {
      kind: 'hand',
      path: found?.path ?? (SCRIPTS[0] as string),
      reason:
        'tcpserver reads this file in place of yours; with -X mail comes in should it be missing, and nobody can relay',
      lines: `${option}\n`,
      done: found?.text.includes(option) === true,
    },
  ]
  return {
    mta: 'qmail',
    by: 'map',
    seen: [
      ...(server === undefined ? [] : ['tcpserver is installed']),
      rules === undefined ? `there is no ${RULES} with rules of yours` : `rules of yours: ${RULES}`,
    ],
    troubles: [
      ...(server === undefined
        ? [{ text: 'tcpserver is not installed here', mends: ['run this on the mail host, as root'] }]
        : []),
      ...daemonTrouble(context),
      ...pathTroubles(option.slice('-x '.length), 'a run script'),
    ],
    notes: ['a session sees a login, and its end, only when it connects anew'],
    steps,
    validations: [],
    afterwards: [
      ...(await restartLines(context, steps)),
      'svc -t /service/qmail-smtpd    # once; tcpserver opens the file anew for each connection',
    ],
    checks: [
      'popauthd check 192.0.2.7',
      `TCPREMOTEIP=192.0.2.7 tcprulescheck ${option.slice('-x '.length)}`,
      'popauthd doctor mta qmail',
    ],
  }
}

async function scriptThere({ tools }: SetupContext): Promise<{ path: string; text: string } | undefined> {
  for (const path of SCRIPTS) {
    const text = await tools.read(path)
    if (text !== undefined) return { path, text }
  }
  return undefined
}
