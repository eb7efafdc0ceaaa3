/** Sources that are no files: who may write to a pipe or a socket, what a network receiver risks, and what the journal proves. */
import { stat } from 'node:fs/promises'
import type { ProvenConfig, SocketConfig, SourceConfig, SyslogConfig } from '../config/config.ts'
import { groupId } from '../config/groups.ts'
import { sourceName } from '../config/source-names.ts'
import { PopauthdError, reasonOf } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import { ReportSecret } from '../sources/reports/report-secret.ts'
import { checkFileSource } from './file-source.ts'
import { type Check, type Finding, findingsOf, type Host } from './finding.ts'
import { betterSources, hasJournal, whoMayLog } from './local-logging.ts'
import { modeText, namesText, whoText, writableDirectories } from './writers.ts'

/** Every source of logins: whether somebody else can write a login into it. */
export const sources: Check = async (host) => {
  if (host.sourceProblem !== undefined) {
    const { text, mend, denied } = host.sourceProblem
    const { problem, unknown } = findingsOf('log', 'sources')
    return [(denied ? unknown : problem)(text, ...(mend === undefined ? [] : [mend]))]
  }
  return (await Promise.all(host.sources.map((source) => checkSource(source, host)))).flat()
}

async function checkSource(source: SourceConfig, host: Host): Promise<readonly Finding[]> {
  if (source.kind === 'file') return checkFileSource(source.path, host)
  if (source.kind === 'journal') return [await journalFinding(host)]
  if (source.kind === 'fifo') return checkPipe(source, host)
  if (source.kind === 'syslog') return checkReceiver(source.receiver, sourceName(source), host)
  if (source.kind === 'whoson') return checkWhoson(source.receiver, sourceName(source), host)
  const { http, socket } = source.reports
  return [
    ...(socket === undefined ? [] : await socketFindings('reports', socket, host)),
    ...(http === undefined ? [] : [await secretFinding(sourceName(source), http.secretFile)]),
  ]
}

async function journalFinding({ places }: Host): Promise<Finding> {
  const { ok, problem } = findingsOf('log', 'journal')
  if (!(await hasJournal(places.journalDirectories)))
    return problem(
      `there is no journal here: nothing is in ${places.journalDirectories.join(' or ')}, or journalctl is missing`,
      'install systemd, or follow a log file',
    )
  return ok(
    'trusted fields decide (_UID, _EXE, _SYSTEMD_UNIT, set by journald): a login line that a local user forges opens nothing',
  )
}

/** A pipe holds what a syslog daemon writes to it. */
async function checkPipe(pipe: SocketConfig, host: Host): Promise<Finding[]> {
  const rights = await socketFindings('log', pipe, host)
  return [...rights, await fedBySyslog(pipe.path, 'what a syslog daemon writes to this pipe', host)]
}

async function fedBySyslog(subject: string, what: string, host: Host): Promise<Finding> {
  return findingsOf('log', subject).warning(
    `a forged login line is possible: ${what} is whatever a program on its host logs in a server's name. ${await whoMayLog(host)}`,
    ...(await betterSources(host)),
  )
}

async function checkReceiver(receiver: SyslogConfig, name: string, host: Host): Promise<Finding[]> {
  if (receiver.transport === 'unix') {
    const rights = await socketFindings('log', receiver, host)
    return [...rights, await fedBySyslog(receiver.path, 'what a syslog daemon sends to this socket', host)]
  }
  const { ok, warning } = findingsOf('log', name)
  if (receiver.transport === 'tls') {
    return [
      ok(`only senders with a client certificate are heard (${namesOf(receiver)})`),
      warning(
        "a forged login line is possible on the sending host: its syslog daemon passes on whatever a program there logs in a server's name",
        'keep local users off that host, send only the log of the mail server itself, or let Dovecot report its logins (docs/dovecot-reports.md)',
      ),
    ]
  }
  const { transport, address, port } = receiver
  return [
    warning(
      `trust_unauthenticated: whoever can send ${transport} to ${address} port ${port}, every local user included, can write a login and open the relay to any address; a sender's address proves nothing`,
      'use transport unix or tls (docs/syslog.md)',
    ),
  ]
}

async function checkWhoson(receiver: ProvenConfig, name: string, host: Host): Promise<Finding[]> {
  if (receiver.transport === 'unix') return socketFindings('whoson', receiver, host)
  return [findingsOf('whoson', name).ok(`only servers with a client certificate are heard (${namesOf(receiver)})`)]
}

function namesOf({ clientNames }: { readonly clientNames: readonly string[] }): string {
  return clientNames.length === 0 ? 'every certificate of client_ca' : namesText(clientNames)
}

/** Mode and group of a socket or pipe that grants, as it is, or as it is made where it is missing. */
async function socketFindings(check: string, socket: SocketConfig, host: Host): Promise<Finding[]> {
  const { accounts, daemonUid } = host
  const { path, mode, group } = socket
  const { unknown, problem } = findingsOf(check, path)
  try {
    const present = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    const gid = present?.gid ?? (group === undefined ? undefined : groupId(group))
    const rights = rightsFinding(
      check,
      path,
      { mode: present?.mode ?? mode, gid, isMissing: present === undefined },
      host,
    )
    const directories = await writableDirectories(path, accounts, [daemonUid]).catch(() => [])
    const above = directories.map((place) =>
      problem(
        `${whoText(place)} may put another socket in its place: ${place.path} has mode ${modeText(place.mode)}`,
        `let only root and popauthd write to ${place.path}`,
      ),
    )
    return [rights, ...above]
  } catch (error) {
    return [unknown(`cannot be looked at: ${reasonOf(error)}`, 'run doctor as root')]
  }
}

/** Who a mode and a group let in. */
function rightsFinding(
  check: string,
  path: string,
  { mode, gid, isMissing }: { mode: number; gid: number | undefined; isMissing: boolean },
  { accounts, daemonUid }: Host,
): Finding {
  const { ok, problem } = findingsOf(check, path)
  const has = isMissing ? 'is made with' : 'has'
  if ((mode & 0o002) !== 0)
    return problem(
      `${has} mode ${modeText(mode)}: everybody on this host may write a login to it`,
      `chmod o-w ${shellPath(path)}; restart popauthd`,
    )
  const owner = `root and ${accounts.userName(daemonUid)}`
  if (gid === undefined || (mode & 0o020) === 0) return ok(`${has} mode ${modeText(mode)}: ${owner} may write to it`)
  const members = accounts.members(gid)
  const who = members.length === 0 ? 'without known members' : namesText(members)
  return ok(
    `${has} mode ${modeText(mode)}: ${owner}, and the group ${accounts.groupName(gid)} (${who}) may write to it`,
  )
}

async function secretFinding(subject: string, path: string): Promise<Finding> {
  const { ok, problem, unknown } = findingsOf('reports', subject)
  try {
    await ReportSecret.read(path)
    return ok(`the secret ${path} is closed to others`)
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    const mends = error instanceof PopauthdError && error.mend !== undefined ? [error.mend] : []
    if (cause?.code === 'EACCES') return unknown(reasonOf(error), 'run doctor as root')
    return problem(reasonOf(error), ...mends)
  }
}
