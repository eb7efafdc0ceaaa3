/** `popauthd scan`: prints the logins in log files. Loads nothing of the daemon, so that it starts at once. */
import { type PopauthdError, SourceError, UsageError } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { selectParsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { knownParsers } from './known-parsers.ts'
import { type OpenLog, openLogFile, streamLog } from './log-reader.ts'
import { reportError } from './report-error.ts'
import { LoginPrinter } from './scan-output.ts'
import { type Progress, startProgress } from './scan-progress.ts'

const EXAMPLES = `
Reads plain and gzip files; - is standard input. Never touches the table. Lines without a year (RFC 3164) get the
newest one that fits the file's modification time, lines without a zone are local time.

Formats of your own count where the configuration has some (the default one, or --config FILE).

Exit code 0 whether or not there are logins; 3 where a file could not be read (the others are).

Examples:
  popauthd scan /var/log/mail.log
  popauthd scan --json /var/log/mail.log* | jq -r .user | sort | uniq -c
  zcat old.gz | popauthd scan --format dovecot,qpopper --year 2024 --timezone Europe/Berlin -`

interface ScanOptions {
  readonly json?: boolean
  readonly format: readonly string[]
  readonly year?: number
  readonly timezone: string
}

/** Defines `scan`. */
export const scan: Configure = (command, context, act) => {
  command
    .argument('<file...>', 'log files, plain or gzip; - is standard input')
    .option(
      '--format <id>',
      'only this server (popauthd formats lists them); repeat it, or give a list with commas',
      addFormats,
      [],
    )
    .option('--year <year>', 'year of lines that have none', parseYear)
    .option('--timezone <zone>', 'zone of lines that have none, such as Europe/Berlin', 'local')
    .option('--json', 'print one JSON object a line: time, user, ip, service, server, file, lineNumber')
    .addHelpText('after', EXAMPLES)
    .action(act((files: readonly string[], options: ScanOptions) => scanFiles(context, files, options)))
}

function addFormats(text: string, before: readonly string[]): readonly string[] {
  return [...before, ...text.split(',').filter((id) => id !== '')]
}

function parseYear(text: string): number {
  if (/^(19[7-9]\d|[2-9]\d{3})$/.test(text)) return Number(text)
  throw new UsageError(`"${text}" is not a year`, { mend: 'give four digits, for instance --year 2024' })
}

/** Scans all files; one that cannot be read is told, and makes the exit code 3. */
async function scanFiles(context: CliContext, files: readonly string[], options: ScanOptions): Promise<0 | 3> {
  const { timezone, year } = options
  const chosen = selectParsers(options.format, await knownParsers(context))
  const scannerOptions = { parsers: chosen, timezone, ...(year === undefined ? {} : { year }) }
  new LoginScanner(scannerOptions) // an unknown zone is told before any file is read
  const printer = new LoginPrinter(context, options.json === true)
  const progress = await startProgress(context, files)
  let failed = 0
  for (const file of files) {
    if (context.outputClosed.aborted) break
    try {
      await using log = file === '-' ? streamLog(context.stdin()) : await openLogFile(file)
      await scanLog(context, log, file, new LoginScanner(scannerOptions), printer, progress)
    } catch (error) {
      if (!(error instanceof SourceError)) throw error
      failed++
      progress?.clear()
      await printer.flush()
      reportError(error satisfies PopauthdError, context, context.globals().debug === true)
    }
  }
  progress?.stop()
  await printer.flush()
  if (!options.json && !context.outputClosed.aborted)
    context.stderr.write(printer.summary(files.length - failed, failed))
  return failed > 0 ? 3 : 0
}

async function scanLog(
  context: CliContext,
  log: OpenLog,
  file: string,
  scanner: LoginScanner,
  printer: LoginPrinter,
  progress: Progress | undefined,
): Promise<void> {
  const newestMs = log.modifiedMs ?? context.clock.now()
  printer.startFile(file)
  const onBinary = () => {
    progress?.clear()
    const name = file === '-' ? 'standard input' : escapeForTerminal(file)
    context.stderr.write(`popauthd: ${name} does not look like a log: there are zero bytes at its beginning\n`)
  }
  const info = { format: 'any', newestMs } as const
  for await (const { bytes, tell, skippedLines, readBytes } of log.chunks(onBinary, scanner.search.texts)) {
    printer.startChunk(skippedLines)
    const lines =
      tell === undefined ? scanner.scan(bytes, info, printer) : scanner.scanFound(bytes, info, printer, tell)
    printer.endChunk(lines)
    progress?.update(file, readBytes)
    if (printer.isFull) {
      progress?.makeRoom()
      await printer.flush()
    }
    if (context.outputClosed.aborted) return
  }
  progress?.endFile(log.size ?? 0)
}
