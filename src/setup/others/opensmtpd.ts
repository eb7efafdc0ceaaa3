/** `setup mta opensmtpd`: the live recipe of docs/opensmtpd.md. The rules go in by hand: their order is the operator's. */
import { dirname, join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { daemonTrouble, entryStep, groupSteps, groupTrouble, restartLines, socketLookups } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { Mta, Plan, SetupContext, Step, Trouble } from '../plan.ts'
import {
  linkProgram,
  type OpensmtpdPlaces,
  opensmtpdDefaults,
  opensmtpdEntry,
  opensmtpdRules,
} from '../recipes/others.ts'
import type { Tools } from '../tools.ts'

const PAGE = 'docs/opensmtpd.md'
/** Where smtpd.conf may be. */
export const CONFIGS = ['/etc/smtpd.conf', '/etc/mail/smtpd.conf', '/usr/local/etc/mail/smtpd.conf']
/** Where smtpd may look for table programs. */
export const PROGRAMS = ['/usr/libexec/opensmtpd', '/usr/local/libexec/opensmtpd', '/usr/local/libexec/smtpd']

/** OpenSMTPD, as `setup` knows it. */
export const opensmtpd: Mta = {
  name: 'opensmtpd',
  title: 'OpenSMTPD',
  ways: ['opensmtpd'],
  page: PAGE,
  plan,
}

async function plan(context: SetupContext): Promise<Plan> {
  const { tools, accounts } = context
  const told = await tools.run(['smtpd', '-h'])
  const version = /OpenSMTPD (\d+\.\d+)/.exec(`${told?.stdout}${told?.stderr}`)?.[1]
  const lookup = socketLookups(context, 'opensmtpd')[0]
  const group =
    accounts.gidOf('opensmtpd') === undefined && accounts.gidOf('_smtpd') !== undefined ? '_smtpd' : 'opensmtpd'
  const places: OpensmtpdPlaces = {
    socket: lookup?.at.path ?? join(dirname(context.loaded.config.control.path), 'opensmtpd.sock'),
    group,
    programDirectory: (await firstThere(tools, PROGRAMS)) ?? opensmtpdDefaults.programDirectory,
    program: join(packageRoot, 'dist/table-popauthd.js'),
  }
  const steps = await stepsFor(context, places, lookup !== undefined)
  return {
    mta: 'opensmtpd',
    by: 'opensmtpd',
    seen: version === undefined ? [] : [`OpenSMTPD ${version}, runs table programs as ${group}`],
    troubles: [
      ...versionTroubles(version),
      ...daemonTrouble(context),
      ...(lookup === undefined ? [] : groupTrouble(lookup, group, 'OpenSMTPD')),
      ...pathTroubles(places.socket, 'smtpd.conf'),
    ],
    notes: [
      `let the rule with <popauth> be the last one: in front of the others a popauthd that is away would hold up mail to your own domains (${PAGE})`,
    ],
    steps,
    validations: [],
    afterwards: [
      ...(await restartLines(context, steps)),
      'smtpd -n',
      process.platform === 'linux' ? 'systemctl restart opensmtpd' : 'restart smtpd',
    ],
    checks: [
      'popauthd check 192.0.2.7',
      `printf 'table|0.1|0|popauth|check|netaddr|1|192.0.2.7\\n' | ${places.programDirectory}/table-popauthd`,
      'popauthd doctor mta opensmtpd',
    ],
  }
}

function versionTroubles(version: string | undefined): Trouble[] {
  if (version === undefined)
    return [
      {
        text: 'OpenSMTPD is not installed here: there is no smtpd of that name',
        mends: ['run this on the mail host, as root'],
      },
    ]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 7 || (major === 7 && minor >= 6)
    ? []
    : [
        {
          text: `OpenSMTPD ${version} cannot ask table programs as popauthd has them`,
          mends: [`use a file (${PAGE}, "By file"), or OpenSMTPD 7.6`],
        },
      ]
}

async function stepsFor(context: SetupContext, places: OpensmtpdPlaces, isThere: boolean): Promise<Step[]> {
  const { tools } = context
  const path = (await firstThere(tools, CONFIGS)) ?? (CONFIGS[0] as string)
  const rules = opensmtpdRules(places)
  const lines = ((await tools.read(path)) ?? '').split('\n').map((line) => line.trim())
  return [
    await entryStep(context, 'lookups', opensmtpdEntry(places), isThere),
    ...groupSteps(context, places.group),
    {
      kind: 'command',
      command: linkProgram(places),
      reason: 'smtpd runs table programs of this directory; the program needs node on its PATH',
      done: await tools.isThere(`${places.programDirectory}/table-popauthd`),
    },
    {
      kind: 'hand',
      path,
      reason: 'the table in front of the rules, the rule behind all others (with the name of your action)',
      lines: `${rules.join('\n')}\n`,
      done: rules.every((rule) => lines.includes(rule)),
    },
  ]
}

async function firstThere(tools: Tools, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await tools.stat(path)) !== undefined) return path
  return undefined
}
