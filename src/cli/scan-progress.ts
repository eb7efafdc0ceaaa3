/** The progress bar of `scan`: on a terminal only, on standard error. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { escapeForTerminal } from '../lib/escape.ts'
import type { CliContext, OutputStream } from './context.ts'

/** Logs smaller than this are read before a bar could be seen. */
const WORTH_A_BAR = 32 * 1024 * 1024
const MB = 1_000_000
const LONGEST_NAME = 30

/** A bar over the bytes of all files. */
export interface Progress {
  /** `readBytes` of the present file are read. */
  update(file: string, readBytes: number): void
  endFile(size: number): void
  /** Takes the bar off the line, before something else is written; the next update brings it back. */
  clear(): void
  stop(): void
}

/** Starts the bar; undefined where there is no terminal or not enough to read. */
export async function startProgress(context: CliContext, files: readonly string[]): Promise<Progress | undefined> {
  const { stderr, clock } = context
  if (stderr.isTTY !== true) return undefined
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        (status) => status.size,
        () => 0,
      ),
    ),
  )
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total < WORTH_A_BAR) return undefined
  const { default: cliProgress } = await import('cli-progress')
  const format = '{bar} {percentage}%  {done}/{all} MB  {rate} MB/s  {eta_formatted} left  {file}'
  const preset = cliProgress.Presets.shades_classic
  const bar = new cliProgress.SingleBar(
    {
      stream: withoutCursorJumps(stderr),
      format,
      clearOnComplete: true,
      hideCursor: null,
      barsize: 24,
      fps: 8,
      etaBuffer: 50,
    },
    preset,
  )
  const startedMs = clock.now()
  let before = 0
  bar.start(total, 0, { done: 0, all: (total / MB).toFixed(0), rate: '-', file: '' })
  return {
    update(file, readBytes) {
      const done = before + readBytes
      const seconds = Math.max(0.001, (clock.now() - startedMs) / 1000)
      const rate = (done / MB / seconds).toFixed(0)
      bar.update(done, {
        done: (done / MB).toFixed(0),
        rate,
        file: escapeForTerminal(basename(file)).slice(0, LONGEST_NAME),
      })
    },
    endFile(size) {
      before += size
    },
    clear() {
      stderr.write('\r\u001b[K')
    },
    stop() {
      bar.stop()
    },
  }
}

/** cli-progress ends by going back to where the cursor was at the start: wrong where lines have been printed since. */
function withoutCursorJumps(stream: OutputStream): OutputStream {
  const write = (text: string) => (text === '\u001b7' || text === '\u001b8' ? true : stream.write(text))
  return Object.create(stream, { write: { value: write } }) as OutputStream
}
