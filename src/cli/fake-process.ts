/** A process for the tests of the command line: streams that remember, an environment of its own, a clock that stands still. */
import { Readable, Writable } from 'node:stream'
import type { ExitCode } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import type { CliProcess, OutputStream } from './context.ts'
import { runCli } from './run-cli.ts'

/** What a command printed, and its exit code. */
interface CliResult {
  readonly code: ExitCode
  readonly stdout: string
  readonly stderr: string
}

/** What differs from the usual fake process. */
interface FakeSettings {
  readonly stdin?: string | Buffer
  readonly env?: Readonly<Record<string, string>>
  readonly nowMs?: number
  readonly isTTY?: boolean
  readonly outputClosed?: AbortSignal
}

/** Noon of 22 November 2026, UTC. */
export const NOW_MS = Date.UTC(2026, 10, 22, 12)

/** Calls the command line as `process.ts` does. */
export async function callCli(args: readonly string[], settings: FakeSettings = {}): Promise<CliResult> {
  const [stdout, stderr] = [new Remembering(settings.isTTY), new Remembering(settings.isTTY)]
  const process: CliProcess = {
    stdin: () => Object.assign(Readable.from([Buffer.from(settings.stdin ?? '')]), { isTTY: settings.isTTY }),
    stdout,
    stderr,
    env: { TZ: 'UTC', ...settings.env },
    clock: new ManualClock(settings.nowMs ?? NOW_MS),
    signals: { onStop: () => new AbortController().signal, onReload: () => () => {} },
    outputClosed: settings.outputClosed ?? new AbortController().signal,
  }
  const code = await runCli(args, process)
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Remembering extends Writable implements OutputStream {
  readonly isTTY: boolean | undefined
  readonly columns = 100
  text = ''

  constructor(isTTY: boolean | undefined) {
    super({ decodeStrings: true })
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}
