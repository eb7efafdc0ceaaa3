/** Finds what there is to follow on this host, for `npm start` and `popauthd run` without --log. */
import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { openLogFile } from './file/line-reader.ts'
import { unreadableLog } from './unreadable-log.ts'

/** Where to look; every default is what Linux and BSD systems use. */
export interface DiscoveryOptions {
  /** Log files, the likeliest first. */
  readonly candidates?: readonly string[]
  readonly journalDirectories?: readonly string[]
  /** Directories to look for `journalctl` in, as in PATH. */
  readonly searchPath?: string
}

/** What was found. */
export type DiscoveredLog = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'journal' }

const CANDIDATES = ['/var/log/mail.log', '/var/log/maillog', '/var/log/messages']
const JOURNALS = ['/var/log/journal', '/run/log/journal']

/**
 * The first log file that exists (an empty one counts), else the journal, else undefined.
 * @throws {SourceError} where a log exists and cannot be read: following another one instead would hide that
 */
export async function discoverLog(options: DiscoveryOptions = {}): Promise<DiscoveredLog | undefined> {
  for (const path of options.candidates ?? CANDIDATES) if (await canRead(path)) return { kind: 'file', path }
  if (!(await hasJournal(options.journalDirectories ?? JOURNALS))) return undefined
  return (await hasJournalctl(options.searchPath ?? process.env.PATH ?? '')) ? { kind: 'journal' } : undefined
}

/** False where there is no such file. */
async function canRead(path: string): Promise<boolean> {
  try {
    await (await openLogFile(path)).handle.close()
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw await unreadableLog(path, error)
  }
}

/** An empty directory (as in a container without journald) is no journal. */
async function hasJournal(directories: readonly string[]): Promise<boolean> {
  for (const directory of directories) {
    const machines = await readdir(directory, { withFileTypes: true }).catch(() => [])
    for (const machine of machines.filter((entry) => entry.isDirectory())) {
      const files = await readdir(join(directory, machine.name)).catch(() => ['unreadable.journal'])
      if (files.some((file) => file.endsWith('.journal'))) return true
    }
  }
  return false
}

async function hasJournalctl(searchPath: string): Promise<boolean> {
  for (const directory of searchPath.split(delimiter).filter((one) => one !== '')) {
    const found = await access(join(directory, 'journalctl'), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}
