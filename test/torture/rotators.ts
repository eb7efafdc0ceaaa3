// Who rotates the logs: the real logrotate with the options that systems use, and a renamer that numbers from 0 as newsyslog(8) does.
import { closeSync, existsSync, openSync, readdirSync, renameSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../fuzz/support/random.ts'
import type { OverlayRoot } from '../support/overlay-root.ts'
import { mustRun } from '../support/run.ts'

/** Rotates one log once. */
export interface Rotator {
  rotate(): Promise<void>
}

/** What a rotation tool works on. */
export interface RotatedLog {
  readonly path: string
  /** Tells the writer that its file was renamed; resolves once it has moved on. */
  readonly reopen: () => Promise<void>
}

/** logrotate(8) of Debian, forced. */
export class Logrotate implements Rotator {
  readonly #root: OverlayRoot
  readonly #log: RotatedLog
  readonly #options: readonly string[]
  readonly #name: string
  #isWritten = false

  /** `options`: lines of its configuration, for instance `copytruncate`. Script lines run inside the root. */
  constructor(root: OverlayRoot, log: RotatedLog, options: readonly string[]) {
    this.#root = root
    this.#log = log
    this.#options = options
    this.#name = `/etc/rotate-${basename(dirname(log.path))}`
  }

  async rotate(): Promise<void> {
    if (!this.#isWritten) await this.#configure()
    const result = await this.#root.tryExec(['logrotate', '--force', '--state', `${this.#name}.state`, this.#name])
    // Twice in a second gives the same date: then it leaves the log as it is.
    const isSkipped = result.stderr.includes('already exists, skipping rotation')
    if (result.code !== 0 && !isSkipped) throw new Error(`logrotate: exit ${result.code}: ${result.stderr}`)
    await this.#log.reopen()
  }

  async #configure(): Promise<void> {
    const lines = ['rotate 999', 'missingok', ...this.#options]
    await this.#root.write(this.#name, `${this.#log.path} {\n  ${lines.join('\n  ')}\n}\n`)
    this.#isWritten = true
  }
}

/** Shifts `.0` to `.1` and so on, makes a new file, lets the writer go on in the old one for a moment, and compresses `.1`. */
export class Newsyslog implements Rotator {
  readonly #log: RotatedLog
  readonly #random: Random

  constructor(log: RotatedLog, random: Random) {
    this.#log = log
    this.#random = random
  }

  async rotate(): Promise<void> {
    const { path } = this.#log
    for (const [name, number] of numbered(path)) {
      const ending = name.slice(`${path}.${number}`.length)
      renameSync(name, `${path}.${number + 1}${ending}`)
      if (this.#random.chance(0.1)) await pause(this.#random.below(30))
    }
    renameSync(path, `${path}.0`)
    await pause(this.#random.below(10))
    closeSync(openSync(path, 'wx', 0o640))
    await pause(this.#random.below(250))
    await this.#log.reopen()
    const [program = '', ...options] = this.#random.pick([['gzip'], ['xz', '-1'], ['zstd', '-q', '--rm'], ['true']])
    if (existsSync(`${path}.1`)) await mustRun(program, [...options, `${path}.1`])
  }
}

/** The rotated files of a log with their numbers, highest first. */
function numbered(path: string): [name: string, number: number][] {
  const base = `${basename(path)}.`
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(base) && /^\d/.test(name.slice(base.length)))
    .map((name): [string, number] => [`${dirname(path)}/${name}`, Number.parseInt(name.slice(base.length), 10)])
    .sort((a, b) => b[1] - a[1])
}

/** Rotates at random times, on average each `everyMs`, until told to stop. Resolves with how often it did. */
export async function rotateUntil(
  rotator: Rotator,
  everyMs: number,
  random: Random,
  signal: AbortSignal,
): Promise<number> {
  for (let count = 0; ; count++) {
    const waitMs = random.chance(0.2) ? random.below(100) : random.below(2 * everyMs)
    await pause(waitMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return count
    await rotator.rotate()
  }
}
