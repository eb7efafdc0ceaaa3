/** The progress bar of `scan`: on a terminal only, on standard error, and never while lines are shown there. */
import { fstatSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import type { CliContext, OutputStream } from './context.ts'

/** Logs smaller than this are read before a bar could be seen. */
const WORTH_A_BAR = 32 * 1024 * 1024
/** The bar waits until nothing was printed for this long; what goes through a pipe (`| head`) reaches the terminal a moment later. */
const QUIET_MS = 500
const MB = 1_000_000
const LONGEST_NAME = 30

/** A bar over the bytes of all files. */
export interface Progress {
  /** `readBytes` of the present file are read. */
  update(file: string, readBytes: number): void
  endFile(size: number): void
  /** Takes the bar off the line, before an error is written; it comes back once all is quiet. */
  clear(): void
  /** The same before lines are written to standard output, unless they go to a file. */
  makeRoom(): void
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
  const screen = new BarScreen(stderr, clock)
  const seen = mayBeSeen(context.stdout)
  const bar = new cliProgress.SingleBar(
    {
      stream: screen.stream,
      format,
      clearOnComplete: true,
      hideCursor: null,
      linewrap: true, // cut to the width, without a mode of the terminal that would have to be undone
      gracefulExit: false, // or the first Ctrl-C would end the bar and not the command
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
      screen.clear()
    },
    makeRoom() {
      if (seen) screen.clear()
    },
    stop() {
      screen.close()
      bar.stop()
    },
  }
}

/** True where what is written to `stdout` may come out on the terminal: it is one, or a pipe to who knows whom. */
function mayBeSeen(stdout: OutputStream & { readonly fd?: number }): boolean {
  if (stdout.isTTY === true || stdout.fd === undefined) return true
  const status = fstatSync(stdout.fd)
  return !status.isFile() && !status.isCharacterDevice()
}

/** The line of the terminal that the bar is drawn on. While it is closed, what the bar draws goes nowhere. */
export class BarScreen {
  /** What the bar writes to. */
  readonly stream: OutputStream
  readonly #terminal: OutputStream
  readonly #clock: Clock
  #closedUntilMs: number
  #drawn = false

  constructor(terminal: OutputStream, clock: Clock) {
    this.#terminal = terminal
    this.#clock = clock
    this.#closedUntilMs = clock.now() + QUIET_MS
    this.stream = Object.create(terminal, { write: { value: (text: string) => this.#draw(text) } }) as OutputStream
  }

  /** Takes the bar off the line, and keeps it off until all is quiet. */
  clear(): void {
    if (this.#drawn) this.#terminal.write('\r\u001b[K')
    this.#drawn = false
    this.#closedUntilMs = this.#clock.now() + QUIET_MS
  }

  /** Takes the bar off for good. */
  close(): void {
    this.clear()
    this.#closedUntilMs = Infinity
  }

  #draw(text: string): boolean {
    if (JUMPS.has(text) || this.#clock.now() < this.#closedUntilMs) return true
    this.#drawn = true
    return this.#terminal.write(text)
  }
}

/** cli-progress ends by going back to where the cursor was at the start: wrong where lines have been printed since. */
const JUMPS = new Set(['\u001b7', '\u001b8'])
