/** What `status` shows of the servers in the logs: what came of their lines, and the last lines that look like logins and are none. */
import type { FailedLineFact, ServerFact, StatusAnswer } from '../admin/api-types.ts'
import { driftWords } from '../core/drift.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { type Column, formatTable } from '../lib/table-print.ts'
import type { Colors } from '../lib/terminal.ts'
import { localTime } from './output.ts'

/** More lines than this are shown by --json only. */
const MOST_SHOWN = 15

interface Found {
  readonly origin: string
  readonly fact: ServerFact
}

/** Sections of the servers and of their lines; empty where nothing was seen. What is wrong comes first. */
export function serversText({ sources }: Pick<StatusAnswer, 'sources'>, nowMs: number, colors: Colors): string {
  const found = sources.flatMap(({ origin, servers = [] }) => servers.map((fact) => ({ origin, fact })))
  if (found.length === 0) return ''
  const withLog = new Set(found.map(({ origin }) => origin)).size > 1
  const drifts = found.map((one) => driftLine(one, withLog, nowMs, colors)).join('')
  return `${colors.bold('servers')}\n${indented(table(found, withLog, nowMs, colors))}${drifts}${linesText(found, nowMs, colors)}`
}

function table(found: readonly Found[], withLog: boolean, nowMs: number, colors: Colors): string {
  const columns: Column[] = [
    ...(withLog ? [{ title: 'LOG' }] : []),
    { title: 'SERVER' },
    { title: 'LOGINS', align: 'right' },
    { title: 'LAST LOGIN' },
    { title: 'LOGOUTS', align: 'right' },
    { title: 'NOT RECOGNIZED', align: 'right' },
  ]
  const rows = found.map(({ origin, fact }) => [
    ...(withLog ? [origin] : []),
    fact.server,
    String(fact.logins),
    fact.lastLogin === null ? 'never' : localTime(fact.lastLogin, nowMs),
    String(fact.logouts),
    `${fact.rejected}${fact.foreign > 0 ? ` (${fact.foreign} of other programs)` : ''}`,
  ])
  return [...formatTable(columns, rows, colors)].join('')
}

function driftLine({ origin, fact }: Found, withLog: boolean, nowMs: number, colors: Colors): string {
  const { drift, server } = fact
  if (drift === undefined) return ''
  const words = driftWords({ kind: drift.kind, server, lines: drift.lines }, localTime(drift.since, nowMs))
  const text = escapeForTerminal(withLog ? `${origin}: ${words}` : words)
  return `  ${drift.kind === 'drift' ? colors.bold(colors.red(text)) : colors.yellow(text)}\n`
}

/** In the order of the servers, so that those that drift keep their place whatever others are flooded with. */
function linesText(found: readonly Found[], nowMs: number, colors: Colors): string {
  const lines = found.flatMap(({ fact: { server, recent } }) => recent.map((line) => ({ server, line })))
  if (lines.length === 0) return ''
  const shown = lines.slice(0, MOST_SHOWN).map(({ server, line }) => lineText(server, line, nowMs, colors))
  const left = lines.length > MOST_SHOWN ? `  and ${lines.length - MOST_SHOWN} more: popauthd status --json\n` : ''
  const title = `${colors.bold('not recognized')} (popauthd explain '<line>' shows where a line fails)`
  return `${title}\n${shown.join('')}${left}`
}

function lineText(server: string, line: FailedLineFact, nowMs: number, colors: Colors): string {
  const place = `${localTime(line.at, nowMs)}  ${server}, column ${line.column}: ${line.reason}`
  return `  ${escapeForTerminal(place)}\n    ${colors.dim(escapeForTerminal(line.line))}\n`
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
