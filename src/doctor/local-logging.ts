/** What every check of a log that a syslog daemon feeds has to say: who on this host may log, and what to follow instead. */
import { access, constants, readdir, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { counted } from '../lib/counted.ts'
import type { Host } from './finding.ts'
import { modeText, namesText } from './writers.ts'

/** A sentence on who may log on this host. */
export async function whoMayLog({ places, accounts }: Host): Promise<string> {
  const { people } = accounts
  const shells =
    people.length === 0
      ? 'no account but root has a shell, but programs may log too'
      : `${counted(people.length, 'account')} with a shell: ${namesText(people)}`
  const socket = await stat(places.logSocket).catch(() => undefined)
  if (socket === undefined) return `Who may log is up to that daemon (${places.logSocket} is not there; ${shells})`
  const mode = modeText(socket.mode)
  return (socket.mode & 0o002) === 0
    ? `${places.logSocket} has mode ${mode}, so not everybody may log (${shells})`
    : `Every local user and program may log (${places.logSocket} has mode ${mode}; ${shells})`
}

/** What to follow instead of a log that a syslog daemon feeds, the best first. */
export async function betterSources({ places }: Pick<Host, 'places'>): Promise<string[]> {
  const journal =
    'follow the journal, where trusted fields decide who wrote a line: `sources: [{ journal: true }]` (docs/install.md)'
  const reports =
    'let Dovecot report its logins, which need no log: `dovecot_reports` under sources (docs/dovecot-reports.md)'
  const own =
    'follow a log that the server writes itself, where it can: Dovecot with `log_path = /var/log/dovecot.log`, others in docs/servers; readable for popauthd, writable for the server alone'
  return (await hasJournal(places.journalDirectories)) ? [journal, own, reports] : [own, reports]
}

/** True where journald keeps a journal, and journalctl can read it. */
export async function hasJournal(directories: readonly string[], path = process.env.PATH ?? ''): Promise<boolean> {
  const entries = await Promise.all(directories.map((directory) => readdir(directory).catch(() => [])))
  if (entries.every((names) => names.length === 0)) return false
  const programs = path.split(delimiter).filter((one) => one !== '')
  const found = await Promise.all(
    programs.map((directory) =>
      access(join(directory, 'journalctl'), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  )
  return found.includes(true)
}
