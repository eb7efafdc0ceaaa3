/** The samples of all parsers as logs, and what a scan makes of a log. */
import type { Login, Logout } from '../../../src/core/login.ts'
import { parsers } from '../../../src/parsers/index.ts'
import { type ParserSample, parserSamples } from '../../../src/parsers/samples.ts'
import { LoginScanner, type RejectedLine, type ScanInfo } from '../../../src/parsers/scanner.ts'

/** A sample and the parser that it belongs to. */
export interface SampleLog extends ParserSample {
  readonly server: string
}

/** Every sample of every parser. */
export const sampleLogs: readonly SampleLog[] = parsers.flatMap(({ id }) =>
  parserSamples(id).map((sample) => ({ ...sample, server: id })),
)

export const NEWEST_MS = Date.UTC(2026, 10, 23)

/** What came out of a log. */
export interface Findings {
  readonly logins: Login[]
  readonly logouts: Logout[]
  readonly rejected: RejectedLine[]
}

const shared = new LoginScanner({ parsers, timezone: 'UTC', logouts: true })

/** A scanner with all parsers that looks for ends of sessions as well. */
export function newScanner(): LoginScanner {
  return new LoginScanner({ parsers, timezone: 'UTC', logouts: true })
}

/** What comes out of a log of these bytes, whose last line may lack its LF, as from a scanner that has seen no line yet. */
export function scanLog(log: Buffer, format: ScanInfo['format'], scanner = shared): Findings {
  scanner.restore(null)
  const found: Findings = { logins: [], logouts: [], rejected: [] }
  scanInto(found, scanner, Buffer.concat([log, Buffer.from('\n')]), format)
  return found
}

/** Adds to `found` what comes out of the next chunk of a log. */
export function scanInto(found: Findings, scanner: LoginScanner, chunk: Buffer, format: ScanInfo['format']): void {
  scanner.scan(
    chunk,
    { format, newestMs: NEWEST_MS },
    {
      login: (login) => found.logins.push(login),
      logout: (logout) => found.logouts.push(logout),
      rejected: (line) => found.rejected.push(line),
    },
  )
}

/** The bytes of the lines of a sample. */
export function logOf({ lines }: Pick<ParserSample, 'lines'>): Buffer {
  return Buffer.from(lines.join('\n'))
}
