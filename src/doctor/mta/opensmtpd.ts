/** `doctor mta opensmtpd`: smtpd.conf as it stands (smtpd -n, and the rules about popauthd's table), the socket or file, and the table program's answers. */
import { CONFIGS, PROGRAMS } from '../../setup/others/opensmtpd.ts'
import { saidBy, type Tools } from '../../setup/tools.ts'
import { reacherOf } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import type { MtaHost } from './judge.ts'
import { noteFor } from './note-for.ts'
import { fileAnswers, programAnswers } from './opensmtpd-answers.ts'
import { rulesIn, type SmtpdTable } from './smtpd-conf.ts'
import { socketFor } from './socket-for.ts'

const SETUP = 'popauthd setup mta opensmtpd prints the lines; then: smtpd -n, and restart smtpd'

/** All findings about OpenSMTPD. */
export async function examineOpensmtpd(mta: MtaHost): Promise<Finding[]> {
  const { tools, host } = mta
  const told = await tools.run(['smtpd', '-h'])
  const version = /OpenSMTPD (\d[\w.-]*)/.exec(`${told?.stdout}${told?.stderr}`)?.[1]
  const { ok, problem } = findingsOf('OpenSMTPD', 'smtpd')
  if (version === undefined) return [problem('is not installed here', 'run this on the mail host, as root')]
  const { path, text } = await configThere(tools)
  if (text === undefined)
    return [findingsOf('recipe', path).unknown('is not there, so its rules cannot be read', 'run this as root')]
  const { tables, ...rules } = rulesIn(text)
  const ours = tables.filter(({ place }) => isOurs(place, mta))
  return [
    ok(
      `${version}. It cannot be asked what it would tell a foreign client: its rules are read, and its table is asked. Not proven by that: which rules and which file the running smtpd has loaded; only relaying from another host shows it`,
    ),
    await checkFinding(path, tools),
    ...(rules.includes ? [findingsOf('recipe', path).unknown('includes other files, which are not read here')] : []),
    ...openFindings(rules.open, path),
    ...recipeFindings(ours, tables, path),
    ...(await Promise.all(ours.map((table) => attached(table, mta)))).flat(),
    ...(await Promise.all(
      host.config.maps.map((map) =>
        map.format === 'opensmtpd' ? noteFor(map.command, 'popauthd-opensmtpd.path') : [],
      ),
    ).then((found) => found.flat())),
  ]
}

async function configThere(tools: Tools): Promise<{ path: string; text: string | undefined }> {
  for (const path of CONFIGS) {
    const text = await tools.read(path)
    if (text !== undefined) return { path, text }
  }
  return { path: CONFIGS[0] as string, text: undefined }
}

function isOurs(place: string, { host }: MtaHost): boolean {
  const { lookups, maps } = host.config
  return (
    lookups.some(({ protocol, at }) => protocol === 'opensmtpd' && 'path' in at && at.path === place) ||
    maps.some((map) => map.format === 'opensmtpd' && map.path === place)
  )
}

async function checkFinding(path: string, tools: Tools): Promise<Finding> {
  const { ok, problem, unknown } = findingsOf('smtpd -n', path)
  const checked = await tools.run(['smtpd', '-n', '-f', path])
  if (checked === undefined) return unknown('there is no smtpd')
  if (checked.code === 0) return ok('is valid')
  const said = saidBy(checked)
  return /root|permission/i.test(said)
    ? unknown(said, 'run this as root')
    : problem(`is refused: ${said}`, 'mend that first')
}

function openFindings(open: string | undefined, path: string): Finding[] {
  if (open === undefined) return []
  return [
    findingsOf('recipe', path).problem(`has the rule "${open}": OPEN RELAY`, 'say from whom: from local, from auth'),
  ]
}

function recipeFindings(ours: readonly SmtpdTable[], tables: readonly SmtpdTable[], path: string): Finding[] {
  const { ok, warning, problem } = findingsOf('recipe', path)
  if (ours.length === 0) {
    const other = tables.find(({ kind }) => kind === 'popauthd')
    return [
      other === undefined
        ? problem('does not ask popauthd: no login lets anybody relay', SETUP)
        : problem(`asks at ${other.place}, where popauthd does not answer`, 'name the same socket in both', SETUP),
    ]
  }
  return ours.map(({ name, kind, place, rule }) => {
    if (rule === undefined)
      return problem(`has the table ${name}, and no rule "match from src <${name}>" about it`, SETUP)
    if (kind === 'popauthd' && !rule.isLast)
      return warning(
        `has rules behind the one with <${name}>: while popauthd is away, mail that they are about is put off too`,
        'let the rule with the table be the last one',
      )
    return ok(kind === 'popauthd' ? `asks popauthd: ${place}` : `reads the file that popauthd keeps: ${place}`)
  })
}

async function attached({ kind, place }: SmtpdTable, mta: MtaHost): Promise<Finding[]> {
  if (kind === 'file') return fileAnswers(place, mta)
  const user = mta.host.accounts.uidOf('opensmtpd') === undefined ? '_smtpd' : 'opensmtpd'
  const mend = 'popauthd setup mta opensmtpd tells what is to be changed'
  return [...(await socketFor(place, reacherOf(user, mta.host), mend)), ...(await programAnswers(place, PROGRAMS, mta))]
}
