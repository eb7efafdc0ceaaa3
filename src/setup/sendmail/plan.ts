/** `setup mta sendmail`: the recipe of docs/sendmail.md for the sendmail of this host. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { inPrivateDirectory } from '../../lib/private-directory.ts'
import { daemonTrouble, groupSteps, restartLines } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { FileStep, Mta, Plan, SetupContext, Step, Trouble, Validation } from '../plan.ts'
import { type GroupValues, groupText, withValues } from '../popauthd-yaml.ts'
import { accessLine, accessOptions, featureLine, type SendmailPlaces, sendmailDefaults } from '../recipes/sendmail.ts'
import { saidBy } from '../tools.ts'
import { lookAtSendmail, type SendmailFound } from './look.ts'
import { hasOwnRules, withFeature } from './mc-text.ts'

const PAGE = 'docs/sendmail.md'

/** sendmail, as `setup` knows it. */
export const sendmail: Mta = {
  name: 'sendmail',
  title: 'sendmail',
  ways: ['socketmap', 'map'],
  page: PAGE,
  plan: async (context) => {
    const found = await lookAtSendmail(context.tools)
    if (found === undefined || typeof found === 'string') return absent(context, found)
    return planFor(context, found)
  },
}

function absent({ by = 'socketmap' }: SetupContext, why = 'sendmail is not installed here'): Plan {
  const lines = by === 'map' ? accessLine(sendmailDefaults) : featureLine(sendmailDefaults)
  return {
    mta: 'sendmail',
    by,
    seen: [],
    troubles: [
      { text: why, mends: ['run this on the mail host, as root; below are the lines for a sendmail of Debian'] },
    ],
    notes: [],
    steps: [
      {
        kind: 'file',
        path: '/etc/mail/sendmail.mc',
        reason: reasonFor(by),
        lines,
        before: undefined,
        after: undefined,
      },
    ],
    validations: [],
    afterwards: ['sendmailconfig'],
    checks: CHECKS,
  }
}

const CHECKS = [
  'popauthd check 192.0.2.7',
  "printf '/map popauth connect:192.0.2.7\\n' | sendmail -bt",
  'popauthd doctor mta sendmail',
]

function reasonFor(by: string): string {
  return by === 'map'
    ? 'sendmail reads the map that popauthd keeps in step'
    : 'one question for each recipient, whether this client may relay; where popauthd is away the ordinary rules decide'
}

async function planFor(context: SetupContext, found: SendmailFound): Promise<Plan> {
  const hasSockets = found.options.includes('SOCKETMAP')
  const inUse = context.loaded.config.sendmailAccess.enabled && !hasSockets
  const by = context.by ?? (hasSockets && !inUse ? 'socketmap' : 'map')
  const { config } = context.loaded
  const places: SendmailPlaces = {
    socket: config.socketmap.path,
    map: config.sendmailAccess.path,
    mapType: config.sendmailAccess.mapType,
  }
  const mc = mcStep(found, by, places)
  const steps = by === 'map' ? [await accessStep(context, places), mc.step] : await liveSteps(context, found, mc.step)
  const again = found.program === 'sendmail-mta' ? ['sendmailconfig'] : ['make -C /etc/mail all install restart']
  return {
    mta: 'sendmail',
    by,
    seen: seenOf(found),
    troubles: [
      ...daemonTrouble(context),
      ...buildTroubles(found, by),
      ...pathTroubles(by === 'map' ? places.map : places.socket, 'sendmail.mc'),
      ...mc.troubles,
      ...(await featureTroubles(context, found, by)),
    ],
    notes: by === 'map' ? MAP_NOTES : [],
    steps,
    validations: [configurationCheck(found, by)],
    afterwards: [...(await restartLines(context, steps)), ...again, 'popauthd doctor mta sendmail'],
    checks: by === 'map' ? CHECKS.filter((line) => !line.includes('/map')) : CHECKS,
  }
}

const MAP_NOTES = [
  'start popauthd before sendmail: a map that is missing answers 451 to all mail',
  `entries of your own belong into access.static beside the map (${PAGE})`,
  'while popauthd is dead only the prune job closes the map: docs/install.md',
]

function seenOf(found: SendmailFound): string[] {
  const built = found.options.filter((option) => /^(SOCKETMAP|NEWDB|CDB)/.test(option))
  return [
    `sendmail ${found.version}, made of ${found.mcFile}; features in ${found.featureDirectory}`,
    `built with ${built.join(' ') || 'neither SOCKETMAP nor NEWDB nor CDB'}`,
    found.runAs === undefined ? 'it opens sockets as root' : `it runs as ${found.runAs} (RunAsUser)`,
  ]
}

function buildTroubles({ options }: SendmailFound, by: string): Trouble[] {
  if (by !== 'socketmap' || options.includes('SOCKETMAP')) return []
  const mends = ['use the map file: --by map', 'FreeBSD: install the port mail/sendmail, which has SOCKETMAP']
  return [{ text: 'this sendmail was built without SOCKETMAP (sendmail -d0.1 -bv root does not list it)', mends }]
}

function mcStep(found: SendmailFound, by: string, places: SendmailPlaces): { step: FileStep; troubles: Trouble[] } {
  const lines = by === 'map' ? accessLine(places) : featureLine(places)
  const step = { kind: 'file', path: found.mcFile, reason: reasonFor(by), lines, before: found.mc } as const
  const byHand = (text: string, mend: string) => ({
    step: { ...step, after: undefined },
    troubles: [{ text, mends: [mend] }],
  })
  if (found.mc === undefined)
    return byHand(
      `there is no ${found.mcFile}`,
      'put the line into the .mc file that your sendmail.cf is made of, above the MAILER lines',
    )
  if (by === 'socketmap' && hasOwnRules(found.mc))
    return byHand(
      `${found.mcFile} has rules in Local_Relay_Auth`,
      'merge the lines of packaging/sendmail/popauthd.m4 into them by hand',
    )
  const made = withFeature(found.mc, lines, by === 'map' ? 'access_db' : 'popauthd')
  if ('why' in made)
    return byHand(
      `${found.mcFile} ${made.why}`,
      by === 'map'
        ? `move your entries to access.static, then put the line in its place (${PAGE}, "Map file")`
        : 'put the line in its place by hand',
    )
  return { step: { ...step, after: made.text }, troubles: [] }
}

/** popauthd's feature, beside the others of sendmail. */
async function liveSteps(context: SetupContext, found: SendmailFound, mc: FileStep): Promise<Step[]> {
  const { tools, loaded, accounts, configFile } = context
  const { config } = loaded
  const path = `${found.featureDirectory}/popauthd.m4`
  const feature = await readFile(join(packageRoot, 'packaging/sendmail/popauthd.m4'), 'utf8')
  const group = runAsGroup(found, accounts)
  const mayAll = (config.socketmap.mode & 0o006) === 0o006
  const values: GroupValues = {
    ...(config.socketmap.enabled ? {} : { enabled: true }),
    ...(group === undefined || mayAll || config.socketmap.group === group ? {} : { group }),
  }
  const before = await tools.read(configFile)
  const isSet = Object.keys(values).length === 0
  const ours: FileStep = {
    kind: 'file',
    path: configFile,
    reason:
      group === undefined
        ? 'popauthd answers on its socket; this is the default'
        : `sendmail opens the socket as a member of ${group}`,
    lines: groupText('socketmap', { enabled: true, ...(group === undefined ? {} : { group }) }),
    before,
    after: isSet ? before : withValues(before, 'socketmap', values),
  }
  const copy: FileStep = {
    kind: 'file',
    path,
    reason: 'what the FEATURE line stands for: a copy of packaging/sendmail/popauthd.m4',
    lines: '',
    before: await tools.read(path),
    after: feature,
  }
  return [...(isSet ? [] : [ours]), ...(group === undefined ? [] : groupSteps(context, group)), copy, mc]
}

function runAsGroup({ runAs }: SendmailFound, accounts: SetupContext['accounts']): string | undefined {
  if (runAs === undefined) return undefined
  const [user = '', group] = runAs.split(':')
  if (group !== undefined) return group
  const [gid] = accounts.groupsOf(user)
  return gid === undefined ? user : accounts.groupName(gid)
}

/** A feature of that name that is not ours is left alone. */
async function featureTroubles({ tools }: SetupContext, found: SendmailFound, by: string): Promise<Trouble[]> {
  if (by === 'map') return []
  const path = `${found.featureDirectory}/popauthd.m4`
  const there = await tools.read(path)
  if (there === undefined || there === (await readFile(join(packageRoot, 'packaging/sendmail/popauthd.m4'), 'utf8')))
    return []
  return [
    {
      text: `${path} is there, and is not the one of this version`,
      mends: [`move it away; then this command copies its own`],
    },
  ]
}

async function accessStep({ tools, configFile, loaded }: SetupContext, places: SendmailPlaces): Promise<FileStep> {
  const before = await tools.read(configFile)
  const { enabled } = loaded.config.sendmailAccess
  return {
    kind: 'file',
    path: configFile,
    reason: 'popauthd keeps the access map in step',
    lines: groupText('sendmail_access', accessOptions(places)),
    before,
    after: enabled ? before : withValues(before, 'sendmail_access', accessOptions(places)),
  }
}

/** Makes a sendmail.cf of the new text, elsewhere, and has sendmail read it. */
function configurationCheck({ program, mcFile }: SendmailFound, by: string): Validation {
  return async (tools, stage) => {
    const made = await tools.run(['m4', mcFile], { cwd: '/etc/mail' })
    if (made === undefined) return 'there is no m4 to make a sendmail.cf with'
    if (made.code !== 0) return `m4 ${mcFile}: ${saidBy(made)}`
    if (stage === 'after' && by === 'socketmap' && !/^Kpopauth socket /m.test(made.stdout))
      return `m4 ${mcFile} makes no map popauth`
    const read = await inPrivateDirectory(async (directory) => {
      const file = join(directory, 'sendmail.cf')
      await writeFile(file, made.stdout)
      return tools.run([program, '-C', file, '-bt'])
    })
    if (read === undefined) return `${program} is not there`
    const isSound = read.code === 0 && !/: line \d+: /.test(`${read.stdout}${read.stderr}`)
    return isSound ? undefined : `${program} -bt: ${saidBy(read)}`
  }
}
