/** The note that popauthd leaves (`command` of a map: touch) for a unit of systemd that runs what only root may. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Finding, findingsOf } from '../finding.ts'

/** Longer than any run of the unit should take. */
const MOST_MS = 15_000

/** A problem where the note is there for long: nobody takes it. Nothing for other commands. */
export async function noteFor(command: readonly string[], unit: string, nowMs = Date.now()): Promise<Finding[]> {
  const [program = '', path] = command
  if (basename(program) !== 'touch' || path === undefined || command.length > 2) return []
  const { ok, problem } = findingsOf('note', path)
  const there = await stat(path).catch(() => undefined)
  if (there === undefined) return [ok('is not there: what popauthd changed was taken up')]
  const seconds = Math.round((nowMs - there.mtimeMs) / 1000)
  return seconds * 1000 < MOST_MS
    ? []
    : [problem(`is there since ${seconds} s: what popauthd changed is not taken up`, `systemctl status ${unit}`)]
}
