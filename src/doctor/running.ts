/** The daemon, as it tells of itself, the table, and the job that removes what has expired. */
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { StatusAnswer } from '../admin/api-types.ts'
import { PopauthdError, reasonOf, TableError } from '../errors.ts'
import { formatBytes } from '../lib/bytes.ts'
import { counted } from '../lib/counted.ts'
import { probeTable } from '../table/probe.ts'
import { type Check, type Finding, findingsOf } from './finding.ts'

/** Whether it runs, answers, has caught up, and what troubles it. */
export const daemon: Check = ({ daemon, config }) => {
  const { ok, warning, problem, unknown } = findingsOf('daemon', config.control.path)
  if (daemon.kind === 'none')
    return [warning('no daemon runs: no login opens the relay', 'start it: systemctl start popauthd, or popauthd run')]
  if (daemon.kind === 'silent')
    return [
      daemon.denied
        ? unknown(daemon.problem, 'run doctor as root, or as a member of the group of the control socket')
        : problem(daemon.problem, 'look at its log (journalctl -u popauthd), then restart it'),
    ]
  const { status } = daemon
  const runs = `runs${status.pid === undefined ? '' : ` (PID ${status.pid})`} and answers`
  const readiness = status.ready
    ? ok(`${runs}; the logs were read to their end`)
    : warning(
        `${runs}, and is catching up: check and list do not know all logins yet`,
        'wait; popauthd status shows how far it is',
      )
  return [readiness, ...troubles(status), ...clockFindings(status)]
}

/** What does not work in a running daemon. */
function troubles({ sources, publishers }: StatusAnswer): Finding[] {
  const ofSources = sources.flatMap(({ origin, trouble, servers = [] }) => {
    const { warning, problem } = findingsOf('daemon', origin)
    const drifts = servers.filter(({ drift }) => drift?.kind === 'drift')
    return [
      ...(trouble === undefined ? [] : [problem(trouble, 'mend that; nothing is lost meanwhile')]),
      ...drifts.map(({ server, drift }) =>
        warning(
          `${counted(drift?.lines ?? 0, 'line')} of ${server} look like logins and are none, since its last login`,
          "its log format may have changed: popauthd explain '<line>' (docs/drift.md)",
        ),
      ),
    ]
  })
  const failing = publishers.filter(({ state }) => state === 'failing')
  const ofMaps = failing.map(({ name, problem }) =>
    findingsOf('map', name).problem(
      `cannot be brought in step: ${problem ?? 'unknown why'}`,
      'mend that; it is tried again',
    ),
  )
  const limping = publishers.filter(({ state, problem }) => state !== 'failing' && problem !== undefined)
  const ofLimping = limping.map(({ name, problem }) => findingsOf('map', name).warning(problem ?? ''))
  return [...ofSources, ...ofMaps, ...ofLimping]
}

/** Logins ahead of the clock: a clock that is wrong here or where the lines come from, or a wrong zone. */
function clockFindings({ counters }: StatusAnswer): Finding[] {
  const ahead = Object.entries(counters).reduce(
    (sum, [name, n]) => (name.includes('ahead_of_clock') ? sum + n : sum),
    0,
  )
  if (ahead === 0) return []
  return [
    findingsOf('clock', 'logins').warning(
      `${counted(ahead, 'login')} since the start of the daemon ${ahead === 1 ? 'was' : 'were'} dated ahead of the clock, and refused`,
      'set the clocks by NTP (timedatectl), or name the zone of the log: `timezone` of its source',
    ),
  ]
}

/** The table, looked over as the daemon does before it maps it. One in use changes while it is read: the daemon has looked it over. */
export const table: Check = ({ config, daemon }) => {
  const path = join(config.stateDirectory, 'table.mdb')
  const { ok, problem, unknown } = findingsOf('table', path)
  if (daemon.kind === 'runs') {
    const { addresses, authorized } = daemon.status.table
    const relaying = authorized === null ? '' : `${authorized} of them may relay, `
    return [
      ok(`in use: ${counted(addresses, 'address', 'addresses')} known, ${relaying}looked over when the daemon started`),
    ]
  }
  if (daemon.kind === 'silent') return [unknown('is not looked over: a daemon may be writing to it')]
  try {
    const bytes = probeTable(path)
    if (bytes === undefined) return [ok('is not there yet; the first start of popauthd makes it of the logs')]
    return [ok(`sound, ${formatBytes(bytes)} in use`)]
  } catch (error) {
    if (error instanceof TableError && error.cause !== undefined)
      return [unknown(error.message, 'run doctor as root, or as the user that popauthd runs as')]
    const mends = error instanceof PopauthdError && error.mend !== undefined ? [error.mend] : []
    return [problem(reasonOf(error), ...mends)]
  }
}

/** Whether something runs `popauthd prune` where a map would otherwise stay open when the daemon dies. */
export const sweeper: Check = async ({ config, places, daemonUid }) => {
  const file = config.maps.find((map) => 'path' in map)
  if (!config.sendmailAccess.enabled && file === undefined) return []
  const subject = config.sendmailAccess.enabled ? config.sendmailAccess.path : (file as { path: string }).path
  const { ok, warning } = findingsOf('prune job', subject)
  for (const directory of places.timerLinks)
    if ((await namesIn(directory)).includes('popauthd-prune.timer'))
      return [ok(`popauthd-prune.timer is switched on (${directory})`)]
  for (const place of places.crontabs) {
    const found = await cronFile(place, [0, daemonUid])
    if (found !== undefined) return [ok(`${found} runs popauthd prune`)]
  }
  return [
    warning(
      'nothing runs `popauthd prune`: while the daemon is dead, addresses in the map stay open past their time',
      'systemctl enable --now popauthd-prune.timer, or install packaging/cron/popauthd.cron (docs/install.md)',
    ),
  ]
}

const LONGEST_CRONTAB = 1024 * 1024

/** Whose jobs run with the rights that pruning takes: root, and the daemon's own user. Anybody may have a crontab. */
async function cronFile(place: string, owners: readonly (number | undefined)[]): Promise<string | undefined> {
  const names = await namesIn(place)
  for (const file of names.length === 0 ? [place] : names.map((name) => join(place, name))) {
    const text = await startOf(file, owners).catch(() => '')
    if (text.split('\n').some((line) => /^[^#]*\bpopauthd\b.*\bprune\b/.test(line))) return file
  }
  return undefined
}

/** The first MiB of a file that belongs to one of `owners`; nothing of any other. */
async function startOf(path: string, owners: readonly (number | undefined)[]): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const stats = await file.stat()
  if (!stats.isFile() || !owners.includes(stats.uid)) return ''
  const bytes = Buffer.alloc(Math.min(stats.size, LONGEST_CRONTAB))
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
  return bytes.toString('utf8', 0, bytesRead)
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
