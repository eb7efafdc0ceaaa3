/** A log file: who may write to it, put another in its place, or have a syslog daemon write a forged login line into it. */
import { stat } from 'node:fs/promises'
import { reasonOf } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import { currentPath } from '../sources/file/log-name.ts'
import { type Finding, findingsOf, type Host } from './finding.ts'
import { betterSources, whoMayLog } from './local-logging.ts'
import {
  isSyslogDaemon,
  isUsualTarget,
  type LogEvidence,
  logEvidence,
  namingConfig,
  type WritingProcess,
  writingProcesses,
} from './log-writers.ts'
import { modeText, namesText, type WritablePlace, whoText, writableDirectories, writableFile } from './writers.ts'

const make = (path: string) => findingsOf('log', path)

/** All that is found of one followed file. */
export async function checkFileSource(path: string, host: Host): Promise<Finding[]> {
  let file: string
  try {
    file = await currentPath(path)
    // What is opened must not be a device that somebody put in its place.
    if (!(await stat(file)).isFile())
      return [
        ...(await placeFindings(path, host)),
        make(path).problem('is no regular file', 'name the log file itself'),
      ]
  } catch (error) {
    return [...(await placeFindings(path, host)), missing(path, error)]
  }
  try {
    return [...(await rightsFindings(file, host)), await originFinding(file, host)]
  } catch (error) {
    const user = host.accounts.userName(process.geteuid?.() ?? 0)
    return [make(path).unknown(`cannot be looked at as ${user}: ${reasonOf(error)}`, 'run doctor as root')]
  }
}

function missing(path: string, error: unknown): Finding {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOENT' && code !== 'ENOTDIR')
    return make(path).unknown(`cannot be looked at: ${reasonOf(error)}`, 'run doctor as root')
  return make(path).warning(
    'is not there, so nothing is read; popauthd waits for it',
    'name the log that the POP3 or IMAP server writes, under sources or with --log FILE (popauthd formats detect FILE tells which servers wrote a log)',
  )
}

/** Where the file is missing, its directory tells who may make it. */
async function placeFindings(path: string, { accounts, daemonUid }: Host): Promise<Finding[]> {
  try {
    return (await writableDirectories(path, accounts, [daemonUid])).map((place) => directoryFinding(path, place))
  } catch {
    return []
  }
}

async function rightsFindings(path: string, { accounts, daemonUid }: Host): Promise<Finding[]> {
  const { uid, mode } = await stat(path)
  // The owner writes the log, unless it is a person.
  const trusted = accounts.isPerson(uid) ? [daemonUid] : [daemonUid, uid]
  const own = await writableFile(path, accounts, trusted)
  const directories = await writableDirectories(path, accounts, trusted)
  const found = directories.map((place) => directoryFinding(path, place))
  if (own !== undefined) return [fileFinding(path, own), ...found]
  if (found.length > 0) return found
  const who = uid === 0 ? 'only root' : `only root and its owner ${accounts.userName(uid)}`
  return [make(path).ok(`${who} may write to the file itself (mode ${modeText(mode)})`)]
}

function fileFinding(path: string, own: WritablePlace): Finding {
  const text = `${whoText(own)} may write to it (mode ${modeText(own.mode)}), and so write a login that opens the relay`
  if (own.everybody) return make(path).problem(text, `chmod o-w ${shellPath(path)}`)
  return make(path).warning(
    text,
    `take that right away: chmod g-w ${shellPath(path)}, chown root ${shellPath(path)}, or setfacl -b ${shellPath(path)}`,
  )
}

function directoryFinding(path: string, place: WritablePlace): Finding {
  const text = `${whoText(place)} may put another file in its place: ${place.path} has mode ${modeText(place.mode)}`
  if (place.everybody && (place.mode & 0o1000) === 0)
    return make(path).problem(text, `chmod o-w ${shellPath(place.path)}`)
  if (place.everybody)
    return make(path).warning(
      `everybody may make a file of this name while it is missing, as after a rotation: ${place.path} has mode ${modeText(place.mode)}`,
      'keep the log in a directory that only root writes to, such as /var/log',
    )
  return make(path).warning(text, `let only root write to ${place.path}`)
}

/** Who writes its lines. */
async function originFinding(path: string, host: Host): Promise<Finding> {
  const evidence = await logEvidence(path)
  const { found, all } = await writingProcesses(path, host.places.proc)
  const config = await namingConfig(path, host.places.syslogConfigs)
  const signs = syslogSigns(path, evidence, found, config)
  if (signs === undefined) return originWithoutSigns(path, evidence, found, all)
  const isSure =
    evidence.syslogLines === 0 || config !== undefined || found.some(({ program }) => isSyslogDaemon(program))
  return make(path).warning(
    `a forged login line is possible: a syslog daemon ${isSure ? 'writes' : 'seems to write'} this file (${signs}), and puts into it whatever a local program logs in a server's name. ${await whoMayLog(host)}`,
    ...(await betterSources(host)),
  )
}

function originWithoutSigns(
  path: string,
  { ownLines }: LogEvidence,
  processes: readonly WritingProcess[],
  all: boolean,
): Finding {
  const text = `no sign that a syslog daemon writes it${processWords(processes)}`
  if (ownLines > 0) return make(path).ok(`${text}, and its lines have the form of a server's own log`)
  if (all) return make(path).ok(text)
  return make(path).unknown(`${text}, but not all processes could be looked at`, 'run doctor as root')
}

function processWords(processes: readonly WritingProcess[]): string {
  if (processes.length === 0) return ''
  return `; ${namesText([...new Set(processes.map(({ program }) => program))])} has it open`
}

/** Why a syslog daemon is taken to write the file; undefined where nothing says so. A file without lines is judged by its name. */
function syslogSigns(
  path: string,
  { syslogLines, ownLines, syslogPrograms }: LogEvidence,
  processes: readonly WritingProcess[],
  config: string | undefined,
): string | undefined {
  const daemon = processes.find(({ program }) => isSyslogDaemon(program))
  const signs = [
    ...(daemon === undefined ? [] : [`${daemon.program}, PID ${daemon.pid}, has it open`]),
    ...(config === undefined ? [] : [`${config} names it`]),
    ...(syslogLines > ownLines ? [`its last lines have syslog's form, of ${programWords(syslogPrograms)}`] : []),
    ...(syslogLines + ownLines === 0 && isUsualTarget(path) ? ['it is one of the usual targets'] : []),
  ]
  return signs.length === 0 ? undefined : signs.join('; ')
}

function programWords(programs: readonly string[]): string {
  const named = programs.filter((name) => name !== '')
  return named.length === 0 ? 'no named program' : namesText(named, 3)
}
