/** What `doctor` found, for people and programs, and the host that it looks at. */
import { resolve } from 'node:path'
import type { Finding, FindingVerdict, Host } from '../doctor/finding.ts'
import type { ExitCode } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { type Colors, colorsFor, widthOf } from '../lib/terminal.ts'
import { wrapWords } from '../lib/wrap-words.ts'
import type { CliContext } from './context.ts'
import { counted, print, printJson } from './output.ts'

const NARROWEST = 40
const WIDEST = 120

/** Prints findings; resolves to the exit code. */
export async function printFindings(
  context: CliContext,
  findings: readonly Finding[],
  json: boolean,
): Promise<ExitCode> {
  const code = exitCodeOf(findings)
  if (json) await printJson(context, { ok: code === 0, findings })
  else await print(context, findingsText(findings, colorsFor(context.stdout, context.env), widthOf(context.stdout)))
  return code
}

/** This host, with the daemon's own configuration; `logs` in place of its sources. @throws {UsageError} @throws {PopauthdError} */
export async function hostFor(context: CliContext, logs: readonly string[]): Promise<Host> {
  const { loadCheckedConfig } = await import('./known-parsers.ts')
  const sources = logs.map((file) => ({ file: resolve(file) }))
  const loaded = await loadCheckedConfig(context, sources.length === 0 ? {} : { overrides: { sources } })
  const { ControlClient, NoDaemonError } = await import('../admin/control-client.ts')
  const { discoverLog } = await import('../sources/log-discovery.ts')
  const { hostOf } = await import('../doctor/host.ts')
  return hostOf({
    loaded,
    discover: () => discoverLog(),
    daemon: new ControlClient(loaded.config.control.path),
    isNoDaemon: (error) => error instanceof NoDaemonError,
  })
}

/** A problem counts more than what could not be looked at. */
export function exitCodeOf(findings: readonly Finding[]): ExitCode {
  const has = (wanted: FindingVerdict) => findings.some(({ verdict }) => verdict === wanted)
  return has('problem') ? 1 : has('unknown') ? 3 : 0
}

const VERDICT_WIDTH = 'problem'.length

/** The findings for people, in their order, and how many there are of each verdict; lines are broken at `width` columns. */
export function findingsText(findings: readonly Finding[], colors: Colors, width: number): string {
  const columns = Math.min(WIDEST, Math.max(NARROWEST, width))
  const checkWidth = Math.max(0, ...findings.map(({ check }) => check.length))
  return `${findings.map((finding) => findingText(finding, colors, columns, checkWidth)).join('')}\n${summary(findings, colors)}\n`
}

function findingText(finding: Finding, colors: Colors, columns: number, checkWidth: number): string {
  const { check, subject, verdict, text, mends } = finding
  const indent = ' '.repeat(VERDICT_WIDTH + 2)
  const mark = coloring(verdict, colors)(verdict.padEnd(VERDICT_WIDTH))
  const said = `${escapeForTerminal(subject)}: ${escapeForTerminal(text)}`
  const lines = wrapWords(said, columns - indent.length - checkWidth - 2)
  const [start = '', ...rest] = lines
  const name = `${escapeForTerminal(subject)}:`
  const first = start.startsWith(name) ? colors.bold(name) + start.slice(name.length) : start
  const under = ' '.repeat(indent.length + checkWidth + 2)
  const told = [`${mark}  ${check.padEnd(checkWidth)}  ${first}`, ...rest.map((line) => under + line)]
  const advice = mends.flatMap((mend, i) => {
    const bullet = mends.length > 1 ? `${i + 1}. ` : '-> '
    const [begin = '', ...more] = wrapWords(escapeForTerminal(mend), columns - under.length - bullet.length)
    return [`${under}${colors.cyan(bullet)}${begin}`, ...more.map((line) => `${under}   ${line}`)]
  })
  return `${[...told, ...advice].join('\n')}\n`
}

function coloring(verdict: FindingVerdict, colors: Colors): (text: string) => string {
  return { ok: colors.green, warning: colors.yellow, problem: colors.red, unknown: colors.magenta }[verdict]
}

function summary(findings: readonly Finding[], colors: Colors): string {
  const count = (wanted: FindingVerdict) => findings.filter(({ verdict }) => verdict === wanted).length
  const parts = [
    counted(count('problem'), 'problem'),
    counted(count('warning'), 'warning'),
    ...(count('unknown') > 0 ? [`${count('unknown')} not looked at`] : []),
    `${count('ok')} ok`,
  ]
  return colors.bold(parts.join(', '))
}
