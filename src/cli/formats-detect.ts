/** `popauthd formats detect`: which servers wrote the logs, and the configuration for them. */
import { SourceError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { formatTable } from '../lib/table-print.ts'
import { type Colors, colorsFor } from '../lib/terminal.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { type Detected, FormatCensus } from './format-census.ts'
import { knownParsers } from './known-parsers.ts'
import { openLogFile, streamLog } from './log-reader.ts'
import { counted, localTime, print, printJson } from './output.ts'
import { reportError } from './report-error.ts'

const EXAMPLES = `
Reads plain and gzip files with all formats, also those of your own; - is standard input. "failed" are lines that hold
the words of a server's login and are none: other versions of a server, or somebody who tries.

Exit code 0: there are logins. 1: there are none. 3: a file could not be read (the others are).

Examples:
  popauthd formats detect /var/log/mail.log /var/log/mail.log.*.gz
  popauthd formats detect --json /var/log/mail.log | jq -r '.servers[].server'`

interface DetectOptions {
  readonly json?: boolean
  readonly timezone: string
}

/** Defines `formats detect`. */
export const formatsDetect: Configure = (command, context, act) => {
  command
    .description('which servers wrote these logs, and the configuration for them')
    .argument('<file...>', 'log files, plain or gzip; - is standard input')
    .option('--timezone <zone>', 'zone of lines that have none, such as Europe/Berlin', 'local')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act((files: readonly string[]) => {
        const options = command.optsWithGlobals<DetectOptions>() // `formats` has a --json too, and takes it first
        return detect(context, files, options)
      }),
    )
}

async function detect(context: CliContext, files: readonly string[], options: DetectOptions): Promise<0 | 1 | 3> {
  const parsers = await knownParsers(context)
  const newScanner = () => new LoginScanner({ parsers, timezone: options.timezone })
  newScanner() // an unknown zone is told before any file is read
  const census = new FormatCensus(parsers)
  let failed = 0
  for (const file of files) {
    if (context.outputClosed.aborted) break
    try {
      await readLog(context, file, newScanner(), census)
    } catch (error) {
      if (!(error instanceof SourceError)) throw error
      failed++
      reportError(error, context, context.globals().debug === true)
    }
  }
  const found = census.result()
  if (options.json) await printJson(context, jsonOf(found))
  else {
    const words = `${counted(census.lines, 'line')} of ${counted(files.length - failed, 'file')}`
    await print(context, textOf(found, words, colorsFor(context.stdout, context.env)))
  }
  if (failed > 0) return 3
  return found.some(({ logins }) => logins > 0) ? 0 : 1
}

async function readLog(context: CliContext, file: string, scanner: LoginScanner, census: FormatCensus): Promise<void> {
  await using log = file === '-' ? streamLog(context.stdin()) : await openLogFile(file)
  const newestMs = log.modifiedMs ?? context.clock.now()
  census.startFile(file)
  const onBinary = () => {
    const name = file === '-' ? 'standard input' : escapeForTerminal(file)
    context.stderr.write(`popauthd: ${name} does not look like a log: there are zero bytes at its beginning\n`)
  }
  for await (const { bytes, skippedLines } of log.chunks(onBinary)) {
    census.startChunk(skippedLines)
    census.endChunk(scanner.scan(bytes, { format: 'any', newestMs }, census))
    if (context.outputClosed.aborted) return
  }
}

/** The servers that wrote logins, the busiest first: what stands in the configuration. */
function serversOf(found: readonly Detected[]): readonly string[] {
  return found.filter(({ logins }) => logins > 0).map(({ server }) => server)
}

function configurationOf(servers: readonly string[]): string {
  return `servers:\n${servers.map((id) => `  - ${id}\n`).join('')}`
}

function jsonOf(found: readonly Detected[]) {
  const servers = serversOf(found)
  const told = found.map(({ firstMs, lastMs, lastFailed, ...rest }) => ({
    ...rest,
    first: isoOf(firstMs),
    last: isoOf(lastMs),
    lastFailed: lastFailed === undefined ? null : { ...lastFailed, column: lastFailed.column + 1 },
  }))
  return { servers: told, configuration: servers.length === 0 ? null : { servers } }
}

function isoOf(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString()
}

const COLUMNS = [
  { title: 'server' },
  { title: 'logins', align: 'right' },
  { title: 'users', align: 'right' },
  { title: 'addresses', align: 'right' },
  { title: 'first' },
  { title: 'last' },
  { title: 'failed', align: 'right' },
] as const

function textOf(found: readonly Detected[], words: string, colors: Colors): string {
  const servers = serversOf(found)
  const table = found.length === 0 ? '' : [...formatTable(COLUMNS, found.map(rowOf), colors)].join('')
  const failures = found.flatMap((one) => failureText(one))
  const next =
    servers.length === 0
      ? `no login in ${words}\n\n${NOTHING}`
      : `\n# configuration: these servers and no others\n${configurationOf(servers)}`
  return `${table}${failures.length > 0 ? `\n${failures.join('')}` : ''}${table === '' ? '' : servers.length > 0 ? '' : '\n'}${next}`
}

const NOTHING = `What to do next:
  popauthd explain 'LINE'   with a line of a login: which format comes closest, and where it fails
  popauthd formats          the servers that are known, with lines of each
  docs/own-formats.md       how to describe the lines of a server that is not among them
`

function rowOf({ server, logins, users, addresses, firstMs, lastMs, failed }: Detected): string[] {
  const time = (atMs: number | undefined) => (atMs === undefined ? '-' : localTime(new Date(atMs).toISOString()))
  return [server, `${logins}`, `${users}`, `${addresses}`, time(firstMs), time(lastMs), `${failed}`]
}

const LONGEST_SHOWN = 500

function failureText({ server, failed, lastFailed }: Detected): string[] {
  if (lastFailed === undefined) return []
  const { line, file, lineNumber, column, reason } = lastFailed
  const shown = line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN)}...` : line
  const place = `${escapeForTerminal(file)}:${lineNumber}:${column + 1}`
  const head = `${server}: ${counted(failed, 'line looks like a login and is none', 'lines look like logins and are none')}, last ${place}: ${escapeForTerminal(reason)}\n`
  return [head, `  ${escapeForTerminal(shown)}\n`]
}
