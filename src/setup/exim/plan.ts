/** `setup mta exim`: the recipe of docs/exim.md for the Exim of this host. */
import { dirname, join } from 'node:path'
import { daemonTrouble, entryStep, groupSteps, groupTrouble, restartLines, socketLookups } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { FileStep, Mta, Plan, SetupContext, Step, Trouble, Validation } from '../plan.ts'
import { listText } from '../popauthd-yaml.ts'
import {
  EXIM_FORMATS,
  type EximFormat,
  type EximMap,
  type EximPlaces,
  eximAcl,
  eximDefaults,
  eximEntry,
  eximMapAcl,
  eximMapDefaults,
  eximMapEntry,
  eximStrict,
} from '../recipes/exim.ts'
import { saidBy } from '../tools.ts'
import { withStatements } from './acl-text.ts'
import { type EximFound, lookAtExim } from './look.ts'

const PAGE = 'docs/exim.md'
const REASON =
  'asks popauthd about recipients elsewhere only, in front of what refuses to relay; an answer that does not come defers, and grants nothing'
const MAP_REASON =
  'reads the file that popauthd keeps, for recipients elsewhere only, in front of what refuses to relay; a missing file grants nothing'

/** Exim, as `setup` knows it. */
export const exim: Mta = {
  name: 'exim',
  title: 'Exim',
  ways: ['readsocket', 'map'],
  page: PAGE,
  plan: async (context) => {
    const found = await lookAtExim(context.tools)
    if (found === undefined || typeof found === 'string') return absent(context, found)
    return planFor(context, found)
  },
}

function absent(
  { configFile, by = 'readsocket' }: SetupContext,
  why = 'Exim is not installed here: there is neither exim4 nor exim',
): Plan {
  const step = { kind: 'file', before: undefined, after: undefined } as const
  const map = eximMapDefaults('exim_cdb')
  const [reason, lines, acl] =
    by === 'map'
      ? ['popauthd keeps this file in step', listText('maps', [eximMapEntry(map)]), eximMapAcl(map)]
      : ['popauthd answers on this socket', listText('lookups', [eximEntry(eximDefaults)]), eximAcl(eximDefaults)]
  return {
    mta: 'exim',
    by,
    seen: [],
    troubles: [{ text: why, mends: ['run this on the mail host, as root; below are the lines for an Exim of Debian'] }],
    notes: [],
    steps: [
      { ...step, path: configFile, reason, lines },
      { ...step, path: '/etc/exim4/conf.d/acl/30_exim4-config_check_rcpt', reason: reasonFor(by), lines: acl },
    ],
    validations: [],
    afterwards: ['update-exim4.conf', 'systemctl restart exim4'],
    checks: checksFor('exim4'),
  }
}

function reasonFor(by: string): string {
  return by === 'map' ? MAP_REASON : REASON
}

function checksFor(program: string): string[] {
  return [
    'popauthd check 192.0.2.7',
    `${program} -bh 192.0.2.7    # HELO x, MAIL FROM:<a@example.org>, RCPT TO:<b@elsewhere.example>`,
    'popauthd doctor mta exim',
  ]
}

/** What differs between the ways. */
interface Attachment {
  readonly steps: readonly Step[]
  /** The lines for the ACL. */
  readonly lines: string
  readonly troubles: readonly Trouble[]
  readonly notes: readonly string[]
}

async function planFor(context: SetupContext, found: EximFound): Promise<Plan> {
  const by = wayFor(context)
  const {
    steps: ours,
    lines,
    troubles,
    notes,
  } = by === 'map' ? await byMap(context, found) : await live(context, found)
  const acl = await aclStep(context, found, lines, reasonFor(by))
  const steps = [...ours, acl.step]
  return {
    mta: 'exim',
    by,
    seen: seenOf(found),
    troubles: [...daemonTrouble(context), ...troubles, ...acl.troubles],
    notes,
    steps,
    validations: [found.isGenerated ? debianCheck : plainCheck(found)],
    afterwards: [...(await restartLines(context, steps)), ...reloadLines(found), 'popauthd doctor mta exim'],
    checks: checksFor(found.program),
  }
}

/** The way asked for; else the one that popauthd.yaml has; else the best. */
function wayFor(context: SetupContext): string {
  if (context.by !== undefined) return context.by
  const isLive = socketLookups(context, 'readsocket').length > 0
  return !isLive && mapThere(context) !== undefined ? 'map' : 'readsocket'
}

async function live(context: SetupContext, found: EximFound): Promise<Attachment> {
  const { group } = found
  const lookup = socketLookups(context, 'readsocket')[0]
  const ownDirectory = dirname(context.loaded.config.control.path)
  const places: EximPlaces = { socket: lookup?.at.path ?? join(ownDirectory, 'exim.sock'), group }
  return {
    steps: [
      await entryStep(context, 'lookups', eximEntry(places), lookup !== undefined),
      ...groupSteps(context, group),
      ...strictSteps(found),
    ],
    lines: eximAcl(places),
    troubles: [
      ...(lookup === undefined ? [] : groupTrouble(lookup, group, 'Exim')),
      ...pathTroubles(places.socket, "Exim's configuration"),
    ],
    notes: [],
  }
}

/** Which ACL looks at connections, and where it is written, is the operator's to know. */
function strictSteps({ strict, isGenerated, configFile }: EximFound): Step[] {
  if (strict === undefined) return []
  return [
    {
      kind: 'hand',
      path: isGenerated ? '/etc/exim4' : configFile,
      reason:
        'strict_acl_vars is on: first in the ACL of acl_smtp_connect (make one where there is none; it ends in "accept"), or all relay attempts get 451',
      lines: eximStrict,
      done: strict.isPrepared,
    },
  ]
}

/** The entry that keeps a file for Exim. */
function mapThere({ loaded }: SetupContext): EximMap | undefined {
  const { maps, admission } = loaded.config
  const formats: readonly string[] = EXIM_FORMATS
  const there = maps.find(({ format }) => formats.includes(format))
  if (there === undefined || !('path' in there)) return undefined
  return { format: there.format as EximFormat, path: there.path, ipv6Prefix: admission.ipv6Prefix }
}

const LOOKUPS: readonly (readonly [EximFormat, string])[] = [
  ['exim_cdb', 'cdb'],
  ['exim_iplsearch', 'iplsearch'],
]

/** The file of the configuration, else the best that this Exim reads. */
async function byMap(context: SetupContext, { lookups }: EximFound): Promise<Attachment> {
  const { stateDirectory, admission } = context.loaded.config
  const there = mapThere(context)
  const best = LOOKUPS.find(([, lookup]) => lookups.includes(lookup))?.[0] ?? 'exim_list'
  const map = there ?? eximMapDefaults(best, stateDirectory, admission.ipv6Prefix)
  const lacking = LOOKUPS.find(([format, lookup]) => format === map.format && !lookups.includes(lookup))
  return {
    steps: [await entryStep(context, 'maps', eximMapEntry(map), there !== undefined)],
    lines: eximMapAcl(map),
    troubles: [
      ...pathTroubles(map.path, "Exim's configuration"),
      ...(lacking === undefined
        ? []
        : [
            {
              text: `this Exim has no lookup ${lacking[1]} (exim -bV does not list it)`,
              mends: [`give the map in popauthd.yaml another format: ${best}`],
            },
          ]),
    ],
    notes: notesOf(map),
  }
}

function notesOf({ format }: EximMap): string[] {
  if (format === 'exim_list')
    return [
      'the file has no times in it: while popauthd is dead only the prune job closes it (docs/install.md)',
      'Exim reads the whole file for each recipient elsewhere: with thousands of clients take cdb or the socket',
    ]
  return [
    `a session that is open sees a login only when a message of it has gone through, and the end of its time at once (${PAGE}, "A file instead")`,
  ]
}

function seenOf(found: EximFound): string[] {
  const source = found.isGenerated ? `, which update-exim4.conf makes of ${found.aclFile} and others` : ''
  return [
    `Exim ${found.version}, runs as ${found.user}, group ${found.group}`,
    `it reads ${found.configFile}${source}`,
    `ACL of recipients: ${found.aclName ?? 'none with a fixed name'}; lookups: ${found.lookups.join(' ')}`,
  ]
}

async function aclStep({ tools }: SetupContext, found: EximFound, lines: string, reason: string) {
  const path = found.aclFile
  const before = await tools.read(path)
  const step = { kind: 'file', path, reason, lines, before } as const
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
