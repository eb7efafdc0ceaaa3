/** `popauthd list`: who may relay now, until when, and why. */
import type { ListEntry } from '../admin/api-types.ts'
import { formatDuration } from '../lib/duration.ts'
import { formatTable } from '../lib/table-print.ts'
import { colorsFor } from '../lib/terminal.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { jsonText, localTime, print } from './output.ts'
import { withTarget } from './target.ts'
import { byEnd } from './words.ts'

const EXAMPLES = `
The list is ordered by end, soonest first. LAST ASKED tells when an MTA last found, by a live lookup, that the address may relay (since the
daemon started; map files are read without a question).

Examples:
  popauthd list
  popauthd list --json | jq -r '.[].address'`

const COLUMNS = [
  { title: 'ADDRESS' },
  { title: 'USERS' },
  { title: 'SERVICE' },
  { title: 'SINCE' },
  { title: 'UNTIL' },
  { title: 'LEFT', align: 'right' },
  { title: 'REASON' },
  { title: 'LAST ASKED' },
] as const

/** Entries that are written at a time. */
const PART = 2000

/** Defines `list`. */
export const list: Configure = (command, context, act) => {
  command
    .option('--json', 'print a JSON array, one entry a line')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (options: { json?: boolean }) => {
        const entries = await withTarget(context, 'read', (target) => collect(target.list()))
        entries.sort(byEnd)
        await (options.json ? printEntries(context, entries) : printTable(context, entries))
      }),
    )
}

async function collect(entries: AsyncIterable<ListEntry>): Promise<ListEntry[]> {
  const all: ListEntry[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

async function printEntries(context: CliContext, entries: readonly ListEntry[]): Promise<void> {
  if (entries.length === 0) return print(context, '[]\n')
  for (let at = 0; at < entries.length; at += PART) {
    const lines = entries.slice(at, at + PART).map((entry) => jsonText(entry))
    const last = at + PART >= entries.length
    await print(context, `${at === 0 ? '[\n' : ''}${lines.join(',\n')}${last ? '\n]\n' : ',\n'}`)
  }
}

async function printTable(context: CliContext, entries: readonly ListEntry[]): Promise<void> {
  if (entries.length === 0) return print(context, 'No address may relay now.\n')
  const colors = colorsFor(context.stdout, context.env)
  const nowMs = context.clock.now()
  const rows = entries.map((entry) => row(entry, nowMs))
  for (const piece of formatTable(COLUMNS, rows, colors)) await print(context, piece)
}

function row(entry: ListEntry, nowMs: number): readonly string[] {
  return [
    entry.address,
    entry.users.join(', ') || '-',
    entry.services.join(', ') || '-',
    entry.since === null ? '-' : localTime(entry.since, nowMs),
    entry.until === null ? 'without end' : localTime(entry.until, nowMs),
    entry.secondsLeft === null ? '-' : formatDuration(entry.secondsLeft),
    entry.reason,
    entry.asked === undefined ? '-' : localTime(entry.asked.last, nowMs),
  ]
}
