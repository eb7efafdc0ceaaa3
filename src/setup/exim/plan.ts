/** `setup mta exim`: the recipe of docs/exim.md for the Exim of this host. */
import { dirname, join } from 'node:path'
import { daemonTrouble, entryStep, groupSteps, groupTrouble, restartLines, socketLookups } from '../common.ts'
import type { FileStep, Mta, Plan, SetupContext, Step, Trouble, Validation } from '../plan.ts'
import { listText } from '../popauthd-yaml.ts'
import { type EximPlaces, eximAcl, eximDefaults, eximEntry } from '../recipes/exim.ts'
import { saidBy } from '../tools.ts'
import { withStatements } from './acl-text.ts'
import { type EximFound, lookAtExim } from './look.ts'

const PAGE = 'docs/exim.md'
const REASON =
  'asks popauthd about recipients elsewhere only, in front of what refuses to relay; an answer that does not come defers, and grants nothing'

/** Exim, as `setup` knows it. */
export const exim: Mta = {
  name: 'exim',
  title: 'Exim',
  ways: ['readsocket'],
  page: PAGE,
  plan: async (context) => {
    const found = await lookAtExim(context.tools)
    if (found === undefined || typeof found === 'string') return absent(context, found)
    return planFor(context, found)
  },
}

function absent(
  { configFile }: SetupContext,
  why = 'Exim is not installed here: there is neither exim4 nor exim',
): Plan {
  const step = { kind: 'file', before: undefined, after: undefined } as const
  return {
    mta: 'exim',
    by: 'readsocket',
    seen: [],
    troubles: [{ text: why, mends: ['run this on the mail host, as root; below are the lines for an Exim of Debian'] }],
    notes: [],
    steps: [
      {
        ...step,
        path: configFile,
        reason: 'popauthd answers on this socket',
        lines: listText('lookups', [eximEntry(eximDefaults)]),
      },
      {
        ...step,
        path: '/etc/exim4/conf.d/acl/30_exim4-config_check_rcpt',
        reason: REASON,
        lines: eximAcl(eximDefaults),
      },
    ],
    validations: [],
    afterwards: ['update-exim4.conf', 'systemctl restart exim4'],
    checks: checksFor('exim4'),
  }
}

function checksFor(program: string): string[] {
  return [
    'popauthd check 192.0.2.7',
    `${program} -bh 192.0.2.7    # HELO x, MAIL FROM:<a@example.org>, RCPT TO:<b@elsewhere.example>`,
    'popauthd doctor mta exim',
  ]
}

async function planFor(context: SetupContext, found: EximFound): Promise<Plan> {
  const lookup = socketLookups(context, 'readsocket')[0]
  const ownDirectory = dirname(context.loaded.config.control.path)
  const places: EximPlaces = { socket: lookup?.at.path ?? join(ownDirectory, 'exim.sock'), group: found.group }
  const acl = await aclStep(context, found, places)
  const steps: Step[] = [
    await entryStep(context, 'lookups', eximEntry(places), lookup !== undefined),
    ...groupSteps(context, found.group),
    acl.step,
  ]
  return {
    mta: 'exim',
    by: 'readsocket',
    seen: seenOf(found),
    troubles: [
      ...daemonTrouble(context),
      ...(lookup === undefined ? [] : groupTrouble(lookup, found.group, 'Exim')),
      ...acl.troubles,
    ],
    notes: [],
    steps,
    validations: [found.isGenerated ? debianCheck : plainCheck(found)],
    afterwards: [...(await restartLines(context, steps)), ...reloadLines(found), 'popauthd doctor mta exim'],
    checks: checksFor(found.program),
  }
}

function seenOf(found: EximFound): string[] {
  const source = found.isGenerated ? `, which update-exim4.conf makes of ${found.aclFile} and others` : ''
  return [
    `Exim ${found.version}, runs as ${found.user}, group ${found.group}`,
    `it reads ${found.configFile}${source}`,
    `ACL of recipients: ${found.aclName ?? 'none with a fixed name'}; lookups: ${found.lookups.join(' ')}`,
  ]
}

async function aclStep({ tools }: SetupContext, found: EximFound, places: EximPlaces) {
  const lines = eximAcl(places)
  const path = found.aclFile
  const before = await tools.read(path)
  const step = { kind: 'file', path, reason: REASON, lines, before } as const
  const byHand = (why: string): { step: FileStep; troubles: Trouble[] } => ({
    step: { ...step, after: undefined },
    troubles: [
      { text: `${path} ${why}`, mends: [`put the lines in by hand, in front of what refuses to relay (${PAGE})`] },
    ],
  })
  if (before === undefined) return byHand('is not there')
  if (found.aclName === undefined) return byHand('has no ACL of recipients with a fixed name (acl_smtp_rcpt)')
  if (!found.hasLists) return byHand('has no domainlist local_domains and relay_to_domains, which the lines are about')
  const made = withStatements(before, found.aclName, lines)
  return 'why' in made ? byHand(made.why) : { step: { ...step, after: made.text }, troubles: [] }
}

function reloadLines(found: EximFound): string[] {
  if (found.isGenerated) return ['update-exim4.conf', 'systemctl restart exim4']
  return [process.platform === 'freebsd' ? 'service exim restart' : `systemctl restart ${found.program}`]
}

/** Makes the whole configuration of the files beside the one in use, and removes it again. */
const debianCheck: Validation = async (tools) => {
  const checked = await tools.run(['update-exim4.conf', '--check'])
  if (checked === undefined) return 'there is no update-exim4.conf to check it'
  return checked.code === 0 ? undefined : `update-exim4.conf --check: ${saidBy(checked)}`
}

function plainCheck({ program, configFile }: EximFound): Validation {
  return async (tools) => {
    const checked = await tools.run([program, '-C', configFile, '-bV'])
    return checked?.code === 0
      ? undefined
      : `${program} -bV: ${checked === undefined ? 'is not there' : saidBy(checked)}`
  }
}
